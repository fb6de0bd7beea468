/** Makes two connected network namespaces, says who holds them, and stays until it is killed. */
import { NetworkNamespace } from '../../src/demo/namespace.ts';

const left = await NetworkNamespace.create('left');
const right = await NetworkNamespace.create('right');
await left.ip([`link add wire type veth peer name wire netns ${right.pid}`]);
process.stdout.write(`${JSON.stringify([left.pid, right.pid])}\n`);
setInterval(() => {}, 60_000);

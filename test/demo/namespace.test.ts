import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { skip } from '../kernel/skip.ts';
import { isRunning, networkNamespaceOf, networkNamespaces } from './processes.ts';
import { until } from './until.ts';

t.test(
  'a namespace has its own interfaces and leaves those of the host alone',
  { skip },
  async (t) => {
    const before = networkInterfaces();
    await using namespace = await NetworkNamespace.create('alone');
    await namespace.ip(['link add thing type veth peer name other']);
    t.match(await namespace.run(['ip', '-brief', 'link']), /^thing@other /m);
    t.same(networkInterfaces(), before);
  },
);

t.test('a sysctl is set inside only', { skip }, async (t) => {
  await using left = await NetworkNamespace.create('left');
  await using right = await NetworkNamespace.create('right');
  const read = ['cat', '/proc/sys/net/ipv4/ip_default_ttl'];
  await left.sysctl({ 'net/ipv4/ip_default_ttl': '77' });
  t.equal(await left.run(read), '77\n');
  t.not(await right.run(read), '77\n');
});

t.test(
  'a command that fails says what it was and what it complained about',
  { skip },
  async (t) => {
    await using namespace = await NetworkNamespace.create('alone');
    await t.rejects(namespace.ip(['link add']), {
      message: /^Cannot run nsenter .* ip -batch -: exit 1: /,
    });
  },
);

t.test('a disposed namespace is gone', { skip }, async (t) => {
  const namespace = await NetworkNamespace.create('short');
  const identity = networkNamespaceOf(namespace.pid);
  t.ok(networkNamespaces().has(identity));
  await namespace[Symbol.asyncDispose]();
  t.notOk(networkNamespaces().has(identity));
});

t.test('namespaces are gone after a SIGKILL of the program that made them', { skip }, async (t) => {
  const script = join(import.meta.dirname, 'hold-namespaces.ts');
  const program = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(program.stdout, 'data');
  const holders: number[] = JSON.parse(String(line));
  const identities = holders.map(networkNamespaceOf);
  t.equal(new Set([...identities, networkNamespaceOf(process.pid)]).size, 3);

  program.kill('SIGKILL');
  t.ok(await until(() => !holders.some(isRunning)), 'their holders have ended');
  const left = networkNamespaces();
  t.notOk(identities.some((identity) => left.has(identity)));
});

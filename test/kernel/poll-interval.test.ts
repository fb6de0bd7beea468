import { fileURLToPath } from 'node:url';
import t from 'tap';
import { runCommand } from '../../src/demo/command.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { parsePage } from '../../src/telemetry/samples.ts';
import { startAgent } from '../fakes/khan-process.ts';
import { skip } from './skip.ts';

const FILL_TABLE = fileURLToPath(new URL('../bench/fill-table.ts', import.meta.url));
const STRETCHED = 'Snapshots cost more than --cpu-share-max: they are taken less often';

t.test('a table that costs more than its share is read less often', { skip }, async (t) => {
  const namespace = await NetworkNamespace.create('stretch');
  t.teardown(() => namespace[Symbol.asyncDispose]());
  const size = ['--entries', '20000', '--edges', '100'];
  await runCommand([process.execPath, FILL_TABLE, '--netns', namespace.path, ...size]);
  // A hundredth of 200 ms: the kernel alone takes that long for 1,000 entries.
  const { agent, url } = await startAgent(t, ['--netns', namespace.path, '--cpu-share-max', '1']);
  const { cycleCpuMs, pollIntervalMs } = await agent.logged(STRETCHED);
  t.ok(Number(cycleCpuMs) > 10, `${String(cycleCpuMs)} ms`);
  t.ok(Number(pollIntervalMs) > 1000, `${String(pollIntervalMs)} ms`);
  const page = parsePage(await (await fetch(`${url}/metrics`)).text());
  const valueOf = (metric: string) => page.find(({ name }) => name === metric)?.value;
  t.ok(valueOf('khan_agent_poll_interval_seconds')! > 1);
  t.equal(valueOf('khan_agent_poll_interval_set_seconds'), 0.2);
  t.equal((await fetch(`${url}/livez`)).status, 200);
});

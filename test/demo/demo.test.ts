import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { skip } from '../kernel/skip.ts';
import { descendants, isRunning, networkNamespaceOf, networkNamespaces } from './processes.ts';
import { until } from './until.ts';

t.setTimeout(180_000);

const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli.ts');

function startDemo(...options: readonly string[]) {
  const argv = [CLI, 'demo', '--poll-interval', '1s', ...options];
  return spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
}

t.test('every number of both agents is the truth', { skip }, async (t) => {
  const demo = startDemo('--seconds', '8', '--json');
  const exited = once(demo, 'exit');
  const result = JSON.parse(await text(demo.stdout));
  const wrong = result.rows.filter((row: { equal: boolean }) => !row.equal);
  t.strictSame(wrong, []);
  t.match(result, { seconds: 8, equal: true, leak: { client: 'cart-0', equal: true } });
  t.ok(result.leak.expected > 0);
  t.same(
    new Set(result.rows.map((row: { scope: string }) => row.scope)),
    new Set(['cluster', 'node-a', 'node-b']),
  );
  t.strictSame(await exited, [0, null]);
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  t.test(`nothing is left after a ${signal}`, { skip }, async (t) => {
    const demo = startDemo();
    const exited = once(demo, 'exit');
    // The first line is printed when everything runs.
    await once(demo.stdout, 'data');
    const started = descendants(demo.pid!);
    const own = networkNamespaceOf(process.pid);
    const namespaces = new Set(started.map(networkNamespaceOf).filter((each) => each !== own));
    t.ok(namespaces.size >= 10, 'two nodes, seven pods and the outside');

    demo.kill(signal);
    await exited;
    t.ok(await until(() => !started.some(isRunning)), 'all its processes have ended');
    const left = networkNamespaces();
    t.notOk([...namespaces].some((namespace) => left.has(namespace)));
  });
}

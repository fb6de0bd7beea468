import type { Test } from 'tap';
import { NODES } from '../../src/demo/topology.ts';
import { until } from '../demo/until.ts';
import { KhanProcess } from '../fakes/khan-process.ts';
import type { Cluster } from '../kernel/cluster.ts';

type Environment = Readonly<Record<string, string>>;

/** Longer than a snapshot takes here, shorter than anybody likes to wait. */
const PUSH_INTERVAL_MS = '300';

/**
 * `khan agent` as a user would start it for each node of the lab; resolves to their URLs when all
 * have their baseline. They are on this machine's loopback, and their workers in the nodes.
 */
export async function startAgents(
  t: Test,
  { lab, inventoryFile }: Pick<Cluster, 'lab'> & { readonly inventoryFile: string },
  { env = {}, argv = [] }: { readonly env?: Environment; readonly argv?: readonly string[] } = {},
): Promise<readonly string[]> {
  const started = NODES.map(async ({ name }) => {
    const netns = lab.namespace(name).path;
    const node = ['--node-name', name, '--netns', netns, '--inventory-file', inventoryFile];
    const often = ['--listen', '127.0.0.1:0', '--poll-interval', '200ms'];
    const agent = new KhanProcess(t, ['agent', ...node, ...often, ...argv], {
      env: { OTEL_METRIC_EXPORT_INTERVAL: PUSH_INTERVAL_MS, ...env },
    });
    const { port } = await agent.logged('Agent listens');
    const url = `http://127.0.0.1:${String(port)}`;
    t.ok(
      await until(async () => (await fetch(`${url}/readyz`)).ok),
      `the agent of ${name} is ready`,
    );
    return url;
  });
  return Promise.all(started);
}

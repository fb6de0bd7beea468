import t from 'tap';
import { Cluster, NodeTable } from './node-table.ts';
import { addressOf, podName, PodTable } from './pod-table.ts';

t.test('few nodes have many peers', async (t) => {
  const cluster = new Cluster(new PodTable(30_000));
  const sizes = Array.from({ length: 1000 }, (_, node) => new NodeTable(node, cluster))
    .map((table) => table.endpoints(0).length)
    .toSorted((a, b) => a - b);
  const [median = 0, most = 0] = [sizes[500], sizes[995]];
  t.ok(median > 60 && median < 150, `the median is ${median}`);
  t.ok(most > 10 * median, `one of them has ${most}`);
});

t.test(
  'a peer that is replaced is in the table beside the new one until TIME_WAIT is over',
  async (t) => {
    // Of a single node: all pods are its own, and their next addresses are on it as well.
    const cluster = new Cluster(new PodTable(30));
    const table = new NodeTable(0, cluster);
    const { slot } = cluster.table.podOf(0);
    const namesAt = (nowMs: number) =>
      table
        .endpoints(nowMs)
        .filter(({ address }) => address === addressOf(slot))
        .map(({ owner }) => owner?.name);
    t.strictSame(namesAt(0), ['app-0-6d4f9c7b8-0']);
    cluster.advance(1, 1000);
    t.equal(podName(cluster.table.podOf(0)), 'app-0-6d4f9c7b8-30');
    t.strictSame(namesAt(120_999), ['app-0-6d4f9c7b8-0'], 'the pod that was deleted');
    t.strictSame(namesAt(121_000), []);
  },
);

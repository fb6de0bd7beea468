import t from 'tap';
import { StatisticsSum } from '../../src/conntrack/statistics.ts';
import { KernelMetrics } from '../../src/telemetry/kernel-metrics.ts';
import { collectedMeter } from '../builders/collected.ts';

const none = new StatisticsSum().statistics;

function createKernelMetrics() {
  const { meter, values } = collectedMeter();
  return { metrics: new KernelMetrics(meter, { nodeName: 'node-a' }), values };
}

t.test('before the first snapshot there are no statistics of the kernel', async (t) => {
  const { metrics, values } = createKernelMetrics();
  metrics.record(undefined);
  t.strictSame(await values(), {});
});

t.test('each of them is a counter of the node, from 0 on', async (t) => {
  const { metrics, values } = createKernelMetrics();
  metrics.record(none);
  t.match(await values(), { 'khan_conntrack_drop node-a': 0 });
  metrics.record({ ...none, drop: 3, earlyDrop: 2, chainTooLong: 1 });
  const counted = {
    'khan_conntrack_invalid node-a': 0,
    'khan_conntrack_insert_failed node-a': 0,
    'khan_conntrack_drop node-a': 3,
    'khan_conntrack_early_drop node-a': 2,
    'khan_conntrack_error node-a': 0,
    'khan_conntrack_search_restart node-a': 0,
    'khan_conntrack_clash_resolve node-a': 0,
    'khan_conntrack_chain_toolong node-a': 1,
  };
  t.strictSame(await values(), counted);
  metrics.record(undefined);
  t.strictSame(await values(), counted, 'what is not told stays');
});

import t from 'tap';
import { groupBy, type GroupingName } from '../../src/top/grouping.ts';
import type { Edge } from '../../src/top/reading.ts';
import { edge, pod } from '../builders/edges.ts';

function namesBy(by: GroupingName, ...edges: readonly Edge[]) {
  return groupBy(by, edges).map(({ names, values }) => [...names, values.active]);
}

const WEB_0 = edge(pod('web-0', '10.1.0.11'), { active: 1 });
const WEB_1 = edge(pod('web-1', '10.1.0.12'), { active: 2 });
const STRANGER = edge({ ip: '203.0.113.10' }, { active: 4 });
const ELSEWHERE = edge(pod('web-0', '10.1.0.11'), { active: 8 }, { port: '81', node: 'node-b' });

const network = (ip: string) => ({ type: 'network', name: 'office', ip });
const named = (type: string) => edge({ type, name: 'node-a' }, { active: 1 });

t.test('an edge is a source, a destination and a port', async (t) => {
  t.strictSame(namesBy('edge', WEB_0, WEB_1, STRANGER, ELSEWHERE), [
    ['shop/web-0', 'shop/api', '80/tcp', 1],
    ['shop/web-1', 'shop/api', '80/tcp', 2],
    ['203.0.113.10', 'shop/api', '80/tcp', 4],
    ['shop/web-0', 'shop/api', '81/tcp', 8],
  ]);
});

t.test('rows can be workloads, sources, destinations or nodes', async (t) => {
  const all = [WEB_0, WEB_1, STRANGER, ELSEWHERE];
  t.strictSame(namesBy('workload', ...all), [
    ['shop/web', 11],
    ['203.0.113.10', 4],
  ]);
  t.strictSame(namesBy('source', ...all), [
    ['shop/web-0', 9],
    ['shop/web-1', 2],
    ['203.0.113.10', 4],
  ]);
  t.strictSame(namesBy('destination', ...all), [
    ['shop/api', '80/tcp', 7],
    ['shop/api', '81/tcp', 8],
  ]);
  t.strictSame(namesBy('node', ...all), [
    ['node-a', 7],
    ['node-b', 8],
  ]);
});

t.test('both addresses of one pod are one source, those of a named network are not', async (t) => {
  t.strictSame(
    namesBy(
      'source',
      edge(pod('web-0', '10.1.0.11'), { active: 1 }),
      edge(pod('web-0', 'fd00::11'), { active: 1 }),
      edge(network('10.20.0.1'), { active: 1 }),
      edge(network('10.20.0.2'), { active: 1 }),
    ),
    [
      ['shop/web-0', 2],
      ['office 10.20.0.1', 1],
      ['office 10.20.0.2', 1],
    ],
  );
});

t.test('a gateway is told from the node whose name it has', async (t) => {
  t.strictSame(namesBy('source', named('node'), named('gateway')), [
    ['node-a', 1],
    ['node-a (gateway)', 1],
  ]);
});

t.test('a workload has the name of its controller where that is told', async (t) => {
  const owned = {
    ...pod('web-0', '10.1.0.11'),
    workload_kind: 'Deployment',
    workload_name: 'front',
  };
  t.strictSame(namesBy('workload', edge(owned, { active: 1 })), [['shop/front', 1]]);
});

t.test('a name is what there is: an app, or nothing but that it is overflow', async (t) => {
  const overflow = {
    labels: { otel_metric_overflow: 'true', primary: 'true' },
    values: { active: 1 },
  };
  t.strictSame(namesBy('source', edge({ ns: 'shop', app: 'web' }, { active: 1 }), overflow), [
    ['shop/web', 1],
    ['(overflow)', 1],
  ]);
  t.strictSame(namesBy('node', { labels: {}, values: { active: 1 } }), [['-', 1]]);
});

t.test('numbers add up; of ages and scores the worst is told', async (t) => {
  const [row] = groupBy('workload', [
    edge(pod('web-0', '10.1.0.11'), { active: 1, oldestSeconds: 50, leakScore: 0.9 }),
    edge(pod('web-1', '10.1.0.12'), { active: 2, oldestSeconds: 70, leakScore: 0.2 }),
  ]);
  t.strictSame(row?.values, { active: 3, oldestSeconds: 70, leakScore: 0.9 });
});

t.test(
  'a count that others have is 0 and not unknown; an age, a score and a rate are not',
  async (t) => {
    const values = {
      active: 1,
      idle: 3,
      oldestSeconds: 9,
      leakScore: 1,
      opened: 5,
      openedPerSecond: 1,
    };
    const rows = groupBy('source', [edge(pod('web-0', '10.1.0.11'), values), WEB_1]);
    t.strictSame(rows[1]?.values, { active: 2, idle: 0, opened: 0 });
  },
);

import t from 'tap';
import { jsonText } from '../../src/top/json.ts';
import { groupBy } from '../../src/top/grouping.ts';
import { edge, pod } from '../builders/edges.ts';

const NOTHING = {
  by: 'source',
  sort: 'active',
  filter: '',
  agents: [],
  rowsTotal: 0,
  rows: [],
} as const;

t.test('what is told is a number or null, and what nobody tells has no key', async (t) => {
  const rows = groupBy('source', [
    edge(pod('web-0', '10.1.0.11'), {
      active: 2,
      opened: 3,
      openedPerSecond: 1.5,
      oldestSeconds: 9,
    }),
    edge({ ip: '203.0.113.10' }, { active: 1, opened: 1 }),
  ]);
  const reading = {
    health: { node: 'node-a', entries: 7, limit: 9, takenAtMs: 1000, cycles: 2, failedCycles: 0 },
    edges: new Map(),
  };
  const agents = [{ name: 'http://a/metrics', reading, rateSeconds: 2, fault: undefined }];
  t.strictSame(JSON.parse(jsonText({ ...NOTHING, agents, rowsTotal: 5, rows })), {
    by: 'source',
    sort: 'active',
    filter: '',
    agents: [
      {
        agent: 'http://a/metrics',
        node: 'node-a',
        snapshotTime: '1970-01-01T00:00:01.000Z',
        rateSeconds: 2,
        entries: 7,
        limit: 9,
        cycles: 2,
        failedCycles: 0,
        namesStale: null,
      },
    ],
    rowsTotal: 5,
    rows: [
      {
        name: 'shop/web-0',
        labels: { src_type: 'pod', src_ns: 'shop', src_app: 'web', src_name: 'web-0' },
        active: 2,
        opened: 3,
        openedPerSecond: 1.5,
        oldestSeconds: 9,
      },
      {
        name: '203.0.113.10',
        labels: { src_ip: '203.0.113.10' },
        active: 1,
        opened: 1,
        openedPerSecond: null,
        oldestSeconds: null,
      },
    ],
  });
});

t.test('nothing in it is obeyed by a terminal, and a reader gets it as it was', async (t) => {
  const name = 'a\u009b2J\u202e\u{e0001}';
  const rows = groupBy('source', [edge(pod(name, '10.1.0.11'), { active: 1 })]);
  const text = jsonText({ ...NOTHING, rows });
  t.notMatch(text.trimEnd(), /\p{C}/u);
  t.equal(JSON.parse(text).rows[0].labels.src_name, name);
});

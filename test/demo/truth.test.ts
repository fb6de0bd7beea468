import t from 'tap';
import { parsePage } from '../../src/telemetry/samples.ts';
import type { Truth } from '../../src/demo/traffic.ts';
import { compare } from '../../src/demo/truth.ts';

const NONE_ENDED = {
  orderly: 0,
  'orderly by server': 0,
  half: 0,
  'half by server': 0,
  reset: 0,
  unanswered: 0,
};
const LEAK = { client: 'web-0', server: 'api-1', port: 80 };

/** web-0 on node-a opened three connections to the service api; api-1 on node-b answered them. */
const THROUGH_SERVICE: Truth = {
  client: 'web-0',
  source: '10.1.1.11',
  destination: '10.96.0.10',
  port: 80,
  transport: 'tcp',
  seen: { server: 'api-1', source: '10.1.1.11', destination: '10.1.2.11', port: 8080 },
  opened: 3,
  ended: NONE_ENDED,
};

const WEB = 'src_type="pod",src_ip="10.1.1.11",src_ns="shop",src_app="web",src_name="web-0"';
const TO_SERVICE =
  'dst_type="service",dst_ip="10.96.0.10",dst_ns="shop",dst_app="api",dst_name="api",dst_port="80"';
const TO_BACKEND =
  'dst_type="pod",dst_ip="10.1.2.11",dst_ns="shop",dst_app="api",dst_name="api-1",dst_port="8080"';
const ON_NODE_A = opened('node="node-a"', WEB, TO_SERVICE, 'transport="tcp",primary="true"');
const ON_NODE_B = opened('node="node-b"', WEB, TO_BACKEND, 'transport="tcp",primary="false"');

function opened(...labels: readonly string[]): string {
  return `khan_connection_total{${labels.join(',')}}`;
}

function compared(truth: readonly Truth[], page: string) {
  const { rows } = compare({ truth, samples: parsePage(page), leak: LEAK });
  return rows.map(({ scope, edge, ...counts }) => ({ scope, to: edge['dst_ip'], ...counts }));
}

/** A page on which khan sees so many connections open on the leaking edge. */
function openPage(count: number): string {
  const edge = 'src_name="web-0",dst_name="api-1",dst_port="80"';
  return `khan_connection_active{${edge},primary="true",state="ESTABLISHED"} ${count}
khan_connection_active{${edge},primary="true",state="TIME_WAIT"} 2
khan_connection_active{${edge},primary="false",state="ESTABLISHED"} 2
`;
}

t.test(
  'a connection between nodes stands in two tables and is counted once for the cluster',
  (t) => {
    const page = `${ON_NODE_A} 3\n${ON_NODE_B} 3\n`;
    t.strictSame(compared([THROUGH_SERVICE], page), [
      { scope: 'cluster', to: '10.96.0.10', expected: 3, counted: 3, equal: true },
      { scope: 'node-a', to: '10.96.0.10', expected: 3, counted: 3, equal: true },
      { scope: 'node-b', to: '10.1.2.11', expected: 3, counted: 3, equal: true },
    ]);
    t.end();
  },
);

t.test('a wrong number is reported where it stands', (t) => {
  const page = `${ON_NODE_A} 3\n${ON_NODE_B} 4\n`;
  t.match(compared([THROUGH_SERVICE], page), [
    { scope: 'cluster', equal: true },
    { scope: 'node-a', equal: true },
    { scope: 'node-b', expected: 3, counted: 4, equal: false },
  ]);
  t.notOk(compare({ truth: [THROUGH_SERVICE], samples: parsePage(page), leak: LEAK }).equal);
  t.end();
});

t.test('a connection that khan missed is reported', (t) => {
  t.match(compared([THROUGH_SERVICE], `${ON_NODE_A} 3\n`), [
    { equal: true },
    { equal: true },
    { scope: 'node-b', expected: 3, counted: 0, equal: false },
  ]);
  t.end();
});

t.test('a connection that nobody opened is reported, an edge that stands at 0 is not', (t) => {
  t.match(compared([], `${ON_NODE_A} 0\n${ON_NODE_B} 1\n`), [
    { scope: 'node-b', expected: 0, counted: 1, equal: false },
  ]);
  t.end();
});

t.test('a connection that two agents count as primary is reported for the cluster', (t) => {
  const page = `${ON_NODE_A} 3\n${ON_NODE_B.replace('"false"', '"true"')} 3\n`;
  const wrong = compared([THROUGH_SERVICE], page).filter(({ equal }) => !equal);
  t.match(wrong, [
    { scope: 'cluster', to: '10.1.2.11', expected: 0, counted: 3 },
    { scope: 'node-b', expected: 3, counted: 0 },
    { scope: 'node-b', expected: 0, counted: 3 },
  ]);
  t.end();
});

t.test('a wrong name is reported, though the number is right', (t) => {
  const page = `${ON_NODE_A.replace('src_name="web-0"', 'src_name="web-1"')} 3\n${ON_NODE_B} 3\n`;
  t.equal(compared([THROUGH_SERVICE], page).filter(({ equal }) => !equal).length, 4);
  t.end();
});

t.test('the leak is what is open on both sides, and a wrong number of it is reported', (t) => {
  const truth = { ...THROUGH_SERVICE, opened: 5, ended: { ...NONE_ENDED, orderly: 2, half: 1 } };
  const leak = (count: number) =>
    compare({ truth: [truth], samples: parsePage(openPage(count)), leak: LEAK }).leak;
  t.match(leak(2), { expected: 2, counted: 2, equal: true });
  t.match(leak(3), { expected: 2, counted: 3, equal: false });
  t.end();
});

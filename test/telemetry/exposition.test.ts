import t from 'tap';
import { chooseFormat, fromText, metadataOf } from '../../src/telemetry/exposition.ts';

const OPEN_METRICS = 'application/openmetrics-text';

for (const [accept, format, why] of [
  [undefined, 'text', 'nothing is said'],
  ['', 'text', 'nothing is said'],
  ['*/*', 'text', 'curl takes anything'],
  ['text/html,application/xhtml+xml,*/*;q=0.8', 'text', 'a browser'],
  [`${OPEN_METRICS};version=1.0.0`, 'openmetrics', 'nothing else is wanted'],
  [OPEN_METRICS, 'openmetrics', 'any version'],
  [`${OPEN_METRICS}; version=1.0.0; charset=utf-8`, 'openmetrics', 'with spaces'],
  [`${OPEN_METRICS};version=0.0.1,text/plain;version=0.0.4;q=0.5`, 'text', 'a version of old'],
  [
    `${OPEN_METRICS};version=1.0.0,${OPEN_METRICS};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
    'openmetrics',
    'Prometheus 2.42',
  ],
  [
    `${OPEN_METRICS};version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2`,
    'openmetrics',
    'Prometheus 3',
  ],
  [`text/plain,${OPEN_METRICS};q=0.9`, 'text', 'text is liked better'],
  [`text/plain;q=0.5,${OPEN_METRICS};q=0.5`, 'openmetrics', 'both alike: it says more'],
  [`${OPEN_METRICS};q=0`, 'text', 'refused'],
  [`${OPEN_METRICS};q=none`, 'text', 'no quality'],
] as const) {
  t.test(`format ${format} where ${why}: ${accept}`, async (t) => {
    t.equal(chooseFormat(accept), format);
  });
}

t.test('a counter is named without _total in OpenMetrics, a gauge alike in both', async (t) => {
  const counter = {
    name: 'khan_connection',
    help: 'Said "so" \\ here\nand there',
    type: 'counter',
  };
  t.equal(
    metadataOf(counter, 'text'),
    '# HELP khan_connection_total Said "so" \\\\ here\\nand there\n# TYPE khan_connection_total counter\n',
  );
  t.equal(
    metadataOf(counter, 'openmetrics'),
    '# HELP khan_connection Said \\"so\\" \\\\ here\\nand there\n# TYPE khan_connection counter\n',
  );
  const gauge = { name: 'khan_connection_active', help: 'Now', type: 'gauge' };
  t.equal(metadataOf(gauge, 'text'), metadataOf(gauge, 'openmetrics'));
});

const TEXT = `# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="khan-agent"} 1
# HELP khan_agent_cycles_total Cycles of the "agent"
# TYPE khan_agent_cycles_total counter
khan_agent_cycles_total{result="success"} 1
# HELP khan_agent_cycle_duration_seconds Duration of a cycle
# UNIT khan_agent_cycle_duration_seconds seconds
# TYPE khan_agent_cycle_duration_seconds histogram
khan_agent_cycle_duration_seconds_count 1
# HELP sum_total A gauge that is called so
# UNIT sum_total things
# TYPE sum_total gauge
sum_total 7
`;

t.test('the page of the stock serialiser becomes OpenMetrics by its metadata', async (t) => {
  t.equal(fromText(TEXT, 'text'), TEXT);
  t.equal(
    fromText(TEXT, 'openmetrics'),
    `# HELP target Target metadata
# TYPE target info
target_info{service_name="khan-agent"} 1
# HELP khan_agent_cycles Cycles of the \\"agent\\"
# TYPE khan_agent_cycles counter
khan_agent_cycles_total{result="success"} 1
# HELP khan_agent_cycle_duration_seconds Duration of a cycle
# UNIT khan_agent_cycle_duration_seconds seconds
# TYPE khan_agent_cycle_duration_seconds histogram
khan_agent_cycle_duration_seconds_count 1
# HELP sum_total A gauge that is called so
# TYPE sum_total gauge
sum_total 7
`,
  );
});

t.test('a page without metrics has no comment in their place', async (t) => {
  t.equal(
    fromText('# TYPE target_info gauge\n# no registered metrics', 'text'),
    '# TYPE target_info gauge\n',
  );
});

/** Every query of every dashboard, answered by a real Prometheus that scrapes the real programs. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { DASHBOARDS } from '../../otel/grafana/source/dashboards.ts';
import { until } from '../demo/until.ts';
import { startPrometheus } from '../e2e/prometheus.ts';
import { skip as noKernel } from '../kernel/skip.ts';
import { urlsOf } from '../otel/pages.ts';
import { drawDashboard } from './draw-dashboard.ts';
import { formatted } from './format.ts';
import { PrometheusApi } from './prometheus-api.ts';

t.setTimeout(120_000);

const HAS_PROMETHEUS = spawnSync('prometheus', ['--version']).error === undefined;
const MAY_SKIP = process.env['CI'] !== 'true';
const NO_PROMETHEUS = 'PROMETHEUS IS NOT INSTALLED: the dashboards were not drawn';
const skip = noKernel || (!HAS_PROMETHEUS && MAY_SKIP && NO_PROMETHEUS);

t.test('Prometheus answers every query of every dashboard', { skip }, async (t) => {
  const targets = (await urlsOf(t)).map((url) => new URL(url).host);
  const { url } = await startPrometheus(t, {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: [{ job_name: 'khan', static_configs: [{ targets }] }],
  });
  const api = new PrometheusApi(url);
  const isScraped = async () =>
    (await api.now('khan_connection_active{otel_metric_overflow="true"}')).length > 0 &&
    (await api.now('khan_controller_stale')).length > 0;
  t.ok(await until(isScraped), 'both programs are scraped');
  const pages = new Map<string, string>();
  for (const [file, dashboard] of Object.entries(DASHBOARDS)) {
    const drawn = drawDashboard({ dashboard, api, chosen: {}, rangeSeconds: 60 });
    await t.resolves(drawn, file);
    pages.set(file, await drawn);
  }
  await t.test('variables take a value that is there', async (t) => {
    t.match(pages.get('workload.json'), 'app <b>api</b>', 'a server that is never a client');
    t.match(pages.get('workload.json'), 'namespace <b>shop</b>');
    t.match(pages.get('node.json'), /node <b>\S+<\/b>/);
  });
  await t.test('who holds connections is shown by name', async (t) => {
    t.match(pages.get('node.json'), '<u>web</u>');
    t.match(pages.get('node.json'), '<u>api</u>');
    t.notMatch(pages.get('node.json'), 'unknown', 'folded series are nobody');
  });
});

t.test('a query that Prometheus refuses is an error with its words', { skip }, async (t) => {
  const { url } = await startPrometheus(t);
  await t.rejects(new PrometheusApi(url).now('sum by'), {
    message: /Cannot query sum by: .*parse/,
  });
});

t.test('values are written as Grafana writes them', async (t) => {
  t.equal(formatted(0.1234, 'percentunit', 1), '12.3%');
  t.equal(formatted(2849, 'short', 0), '2.85 K');
  t.equal(formatted(480, 'short', 0), '480');
  t.equal(formatted(1.5, 'cps'), '1.50 c/s');
  t.equal(formatted(0.012, 's'), '12 ms');
  t.equal(formatted(5400, 's'), '1.50 hours');
  t.equal(formatted(0, 's'), '0 s');
});

/** otel/grafana: read by the real promtool, and held against what the real programs show. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DASHBOARDS } from '../../otel/grafana/source/dashboards.ts';
import type { Panel } from '../../otel/grafana/source/panel.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { SelfMetrics } from '../../src/controller/self-metrics.ts';
import { parsePage } from '../../src/telemetry/samples.ts';
import { expressionsOf, filled, urlsOf, variableNames } from '../dashboards/expressions.ts';
import { skip as noKernel } from '../kernel/skip.ts';
import { pagesOf } from './pages.ts';
import { askedBy } from './promql.ts';

t.setTimeout(120_000);

const FOLDER = join(import.meta.dirname, '../../otel/grafana');
const HAS_PROMTOOL = spawnSync('promtool', ['--version']).error === undefined;
const MAY_SKIP = process.env['CI'] !== 'true';
const skip = !HAS_PROMTOOL && MAY_SKIP && 'PROMTOOL IS NOT INSTALLED: the queries were not parsed';

/** Of Grafana itself. */
const BUILT_IN = /^__/;
/** Of Prometheus: the target of a scrape, the bucket of a histogram; made by label_replace(). */
const OTHER_LABELS = new Set(['instance', 'le', 'ns', 'app', 'client', 'server']);

const all = Object.entries(DASHBOARDS);

function panelsOf(dashboards: typeof all): readonly Panel[] {
  return dashboards.flatMap(([, { panels }]) => panels.filter((panel) => panel.type !== 'row'));
}

t.test('every file is what its description says; npm run dashboards writes them', async (t) => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  t.same(new Set(files), new Set(Object.keys(DASHBOARDS)));
  for (const [file, dashboard] of all) {
    const written = JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));
    t.same(written, JSON.parse(JSON.stringify(dashboard)), file);
  }
});

t.test('dashboards have uids of their own, and ask the data source of the variable', async (t) => {
  t.equal(new Set(all.map(([, { uid }]) => uid)).size, all.length);
  for (const [file, dashboard] of all) {
    const [first] = dashboard.templating.list;
    t.match(first, { type: 'datasource', name: 'datasource', query: 'prometheus' }, file);
    const uids = JSON.stringify(dashboard).matchAll(/"type":"prometheus","uid":"(?<uid>[^"]*)"/g);
    t.same(new Set(Array.from(uids, ({ groups }) => groups?.['uid'])), new Set(['${datasource}']));
  }
});

t.test('panels have ids of their own, a description, and a place that no other has', async (t) => {
  for (const [file, { panels }] of all) {
    t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, file);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
    );
    t.equal(new Set(cells).size, cells.length, `${file}: nothing overlaps`);
    t.ok(
      panels.every(({ gridPos: { x, w } }) => x + w <= 24),
      `${file}: within 24 columns`,
    );
    for (const panel of panels) {
      if (panel.type !== 'row') t.ok(panel.description.length > 10, `${file}: ${panel.title}`);
    }
  }
});

t.test(
  'every variable that is used is there, in the dashboard that a link leads to too',
  async (t) => {
    for (const [file, dashboard] of all) {
      const own = new Set<string>(dashboard.templating.list.map(({ name }) => name));
      const titles = dashboard.panels.map(({ title }) => title);
      for (const text of [...expressionsOf(dashboard), ...urlsOf(dashboard), ...titles]) {
        for (const name of variableNames(text))
          t.ok(BUILT_IN.test(name) || own.has(name), `${file}: ${name} in ${text}`);
      }
      for (const url of urlsOf(dashboard)) {
        const uid = /^\/d\/(?<uid>[\w-]+)\?/.exec(url)?.groups?.['uid'];
        const target = all.find(([, each]) => each.uid === uid)?.[1];
        const known = new Set<string>(target?.templating.list.map(({ name }) => name));
        for (const { groups } of url.matchAll(/\bvar-(?<name>\w+)=/g))
          t.ok(known.has(groups?.['name'] ?? ''), `${file}: ${url}`);
      }
    }
  },
);

t.test('a link takes its values from columns that its table has', async (t) => {
  for (const [file, { panels }] of all) {
    for (const panel of panels) {
      const text = JSON.stringify(panel);
      for (const { groups } of text.matchAll(/__data\.fields\[\\+"(?<title>[^"\\]+)\\+"\]/g))
        t.match(text, `:"${groups?.['title']}"`, `${file}: ${panel.title}`);
    }
  }
});

t.test('a table has a column for each label of its queries, and for no other', async (t) => {
  for (const { type, title, targets, transformations } of panelsOf(all)) {
    if (type !== 'table') continue;
    const renamed = /"renameByName":(?<names>\{[^}]*\})/.exec(JSON.stringify(transformations));
    const names: object = JSON.parse(renamed?.groups?.['names'] ?? '{}');
    const columns = Object.keys(names).filter((name) => !name.startsWith('Value'));
    for (const { expr } of targets) {
      const by = /\bby \((?<labels>[^)]*)\)/.exec(expr)?.groups?.['labels'] ?? '';
      t.strictSame(by.split(', '), columns, title);
    }
  }
});

t.test('promtool can parse every query', { skip }, async (t) => {
  const rules = all.flatMap(([, dashboard]) =>
    [...expressionsOf(dashboard)].map((expr, at) => ({
      record: `query_${at}`,
      expr: filled(expr),
    })),
  );
  t.ok(rules.length > 80);
  for (const { expr } of rules) {
    // JSON is YAML.
    const groups = [{ name: 'queries', rules: [{ record: 'query', expr }] }];
    const path = join(t.testdir({ 'rules.yaml': JSON.stringify({ groups }) }), 'rules.yaml');
    const { status, stderr } = spawnSync('promtool', ['check', 'rules', path], {
      encoding: 'utf8',
    });
    t.equal(status, 0, `${expr}\n${stderr}`);
  }
});

/** Needs pods that end, and so an API server: test/e2e has it. */
const WITH_KUBERNETES = new Set(['khan_connection_orphaned']);

/** Everything that a controller can say: with a file as its source it says less. */
async function controllerPage(): Promise<string> {
  const status = {
    kind: 'pods',
    synced: true,
    failingSinceMs: undefined,
    lastContactMs: 0,
    objects: 1,
  };
  await using metrics = new SelfMetrics({
    inventory: new Inventory({ now: () => 0 }),
    state: () => ({ stale: false }),
    statuses: () => [status],
  });
  metrics.event('pods', 'ADDED');
  metrics.interrupted('pods', 'closed');
  metrics.reviewed('accepted');
  metrics.resolved({ status: 200, durationMs: 1 });
  return metrics.render();
}

t.test('every metric and label of a query is on a page', { skip: noKernel }, async (t) => {
  const samples = [...(await pagesOf(t)), ...parsePage(await controllerPage())];
  const metrics = new Set(samples.map(({ name }) => name)).union(WITH_KUBERNETES);
  const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
  for (const [file, dashboard] of all) {
    for (const expr of expressionsOf(dashboard)) {
      const asked = askedBy(expr);
      t.ok(asked.metrics.size > 0, `${file}: ${expr}`);
      for (const name of asked.metrics) t.ok(metrics.has(name), `${file}: ${name}`);
      for (const name of asked.labels)
        t.ok(labels.has(name) || OTHER_LABELS.has(name), `${file}: ${name}`);
    }
  }
});

/** otel/prometheus: checked by the real promtool, and against the pages of the real programs. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { skip as noKernel } from '../kernel/skip.ts';
import { pagesOf } from './pages.ts';
import { askedBy } from './promql.ts';

t.setTimeout(120_000);

const RULES = join(import.meta.dirname, '../../otel/prometheus');
const ALERTS_PAGE = join(import.meta.dirname, '../../docs/alerts.md');
const HAS_PROMTOOL = spawnSync('promtool', ['--version']).error === undefined;
const MAY_SKIP = process.env['CI'] !== 'true';
const skip = !HAS_PROMTOOL && MAY_SKIP && 'PROMTOOL IS NOT INSTALLED: the rules were not checked';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

const ruleFiles = readdirSync(RULES)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => join(RULES, name));
const rules = ruleFiles.flatMap((file): readonly Rule[] => {
  const { groups } = parse(readFileSync(file, 'utf8'));
  return groups.flatMap((group: { rules: readonly Rule[] }) => group.rules);
});
const alerts = rules.filter(({ alert }) => alert !== undefined);

function promtool(...argv: readonly string[]) {
  const { status, stdout, stderr } = spawnSync('promtool', argv, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

t.test('promtool finds nothing wrong with the rules', { skip }, async (t) => {
  const { status, output } = promtool('check', 'rules', '--lint-fatal', ...ruleFiles);
  t.equal(status, 0, output);
});

const cases = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.promtool.yaml'));
for (const name of cases) {
  t.test(`${name}: what fires, and what does not`, { skip }, async (t) => {
    const { status, output } = promtool('test', 'rules', join(import.meta.dirname, name));
    t.equal(status, 0, output);
  });
}

t.test('every alert has a case in which it fires, and one in which it does not', async (t) => {
  const tests = cases.flatMap((name) => {
    const { tests: all } = parse(readFileSync(join(import.meta.dirname, name), 'utf8'));
    return all.flatMap(({ alert_rule_test: one = [] }) => one);
  });
  for (const { alert } of alerts) {
    const of = tests.filter(({ alertname }) => alertname === alert);
    t.ok(
      of.some(({ exp_alerts: fired }) => fired.length > 0),
      `${alert} fires`,
    );
    t.ok(
      of.some(({ exp_alerts: fired }) => fired.length === 0),
      `${alert} does not fire`,
    );
  }
});

t.test('every alert says how bad it is, what is wrong, and where to read on', async (t) => {
  const page = readFileSync(ALERTS_PAGE, 'utf8');
  const sections = new Set(
    [...page.matchAll(/^## (?<title>\S+)$/gm)].map(({ groups }) => groups?.['title']),
  );
  for (const { alert = '', labels = {}, annotations = {} } of alerts) {
    t.match(labels.severity, /^(?:info|warning|critical)$/, alert);
    t.ok(annotations['summary'] && annotations['description'], alert);
    t.equal(annotations['runbook_url'], `docs/alerts.md#${alert.toLowerCase()}`);
    t.ok(sections.delete(alert), `docs/alerts.md has a section ${alert}`);
  }
  t.strictSame([...sections], [], 'and none for an alert that is not there');
});

t.test('every metric and label of a rule is on a page', { skip: noKernel }, async (t) => {
  const samples = await pagesOf(t);
  const metrics = new Set(samples.map(({ name }) => name));
  const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
  for (const { record } of rules) if (record !== undefined) metrics.add(record);
  for (const { alert, record, expr } of rules) {
    const asked = askedBy(expr);
    t.ok(asked.metrics.size > 0);
    for (const name of asked.metrics) t.ok(metrics.has(name), `${alert ?? record}: ${name}`);
    for (const name of asked.labels) t.ok(labels.has(name), `${alert ?? record}: ${name}`);
  }
});

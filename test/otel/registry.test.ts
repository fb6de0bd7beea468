import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { MetricData } from '@opentelemetry/sdk-metrics';
import * as incubating from '@opentelemetry/semantic-conventions/incubating';
import t, { type Test } from 'tap';
import { prometheusNames } from '../../otel/metrics-page.ts';
import {
  readManifest,
  readRegistry,
  type Metric,
  type MetricAttribute,
} from '../../otel/read-registry.ts';
import manifest from '../../package.json' with { type: 'json' };
import { leakAttributes } from '../../src/telemetry/leak-report.ts';
import { LEAK_EVENT, METRIC } from '../../src/telemetry/metric-names.ts';
import {
  standardAttribute,
  standardMetric,
  standardState,
} from '../../src/telemetry/standard-names.ts';
import { leakEvent } from '../builders/leak-event.ts';
import { instrumentOf, recordedByAgent, recordedByController, type Recorded } from './recorded.ts';

const registry = readRegistry();
const PROGRAMS = {
  'khan.agent': (test: Test) => recordedByAgent(test),
  'khan.controller': () => recordedByController(),
};

function metricsOfEntity(entity: string): Metric[] {
  return [...registry.metrics.values()].filter((metric) =>
    metric.entity_associations.includes(entity),
  );
}

function byName<T>(items: readonly T[], nameOf: (item: T) => string): Record<string, T> {
  const sorted = items.toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
  return Object.fromEntries(sorted.map((item) => [nameOf(item), item]));
}

function valuesOf({ definition: { type }, reference }: MetricAttribute): unknown[] {
  if (typeof type === 'string') return [];
  return (
    reference.annotations?.khan.values.toSorted() ??
    type.members.map(({ value }) => value).toSorted()
  );
}

/** What the registry says of a metric, in the form of {@link recorded}. */
function registered({ instrument, unit, brief, attributes }: Metric) {
  const told = attributes.map((attribute) => {
    const { type, key } = attribute.definition;
    const values = valuesOf(attribute);
    return { key, type: typeof type === 'string' ? type : 'string', values };
  });
  return { instrument, unit, brief, attributes: byName(told, ({ key }) => key) };
}

function recorded(metric: MetricData, metricAttributes: readonly MetricAttribute[]) {
  const { unit, description: brief } = metric.descriptor;
  const enums = new Set(
    metricAttributes.filter((one) => valuesOf(one).length > 0).map((one) => one.definition.key),
  );
  const values = new Map<string, Set<unknown>>();
  for (const { attributes } of metric.dataPoints) {
    for (const [key, value] of Object.entries(attributes)) {
      values.set(key, (values.get(key) ?? new Set()).add(value));
    }
  }
  const told = [...values].map(([key, seen]) => {
    const [first] = seen;
    const type = typeof first === 'number' && Number.isInteger(first) ? 'int' : typeof first;
    return { key, type, values: enums.has(key) ? [...seen].map(String).toSorted() : [] };
  });
  return {
    instrument: instrumentOf(metric),
    unit,
    brief,
    attributes: byName(told, ({ key }) => key),
  };
}

for (const [entity, record] of Object.entries(PROGRAMS)) {
  t.test(`${entity}: what is recorded is what the registry says, and the reverse`, async (t) => {
    const { metrics, resource, page }: Recorded = await record(t);
    const expected = byName(metricsOfEntity(entity), ({ name }) => name);
    const actual = byName(metrics, ({ descriptor }) => descriptor.name);
    t.strictSame(Object.keys(actual), Object.keys(expected));
    for (const [name, metric] of Object.entries(actual)) {
      const definition = expected[name];
      if (definition === undefined) continue;
      t.strictSame(recorded(metric, definition.attributes), registered(definition), name);
      for (const { definition: attribute, reference } of definition.attributes) {
        if (reference.requirement_level !== 'required') continue;
        const isEverywhere = metric.dataPoints.every(
          ({ attributes }) => attribute.key in attributes,
        );
        t.ok(isEverywhere, `${name} always has ${attribute.key}`);
      }
      for (const sample of prometheusNames(definition)) {
        t.match(page, new RegExp(`^${sample}(\\{.*\\})? \\S+$`, 'm'), sample);
      }
    }
    const { identity, description = [] } = registry.entities.get(entity) ?? { identity: [] };
    const keys = [...identity, ...description].map(({ ref }) => ref);
    t.strictSame(Object.keys(resource).toSorted(), keys.toSorted(), 'the resource');
  });
}

t.test('the names of the code are those of the registry', async (t) => {
  const names = Object.values(METRIC).map(({ name }) => name);
  t.strictSame(
    names.toSorted(),
    metricsOfEntity('khan.agent')
      .map(({ name }) => name)
      .toSorted(),
  );
});

t.test('a log event has the attributes that the registry says', async (t) => {
  t.strictSame([...registry.events.keys()], [LEAK_EVENT]);
  const { attributes = [] } = registry.events.get(LEAK_EVENT) ?? {};
  const definitions = new Map(attributes.map(({ definition }) => [definition.key, definition]));
  const event = leakEvent({ verdict: { closedBy: 'client', halfClosedShare: 0.25 } });
  const told = Object.entries(leakAttributes(event));
  for (const [key, value] of told) {
    const { type, annotations } = definitions.get(key) ?? {};
    t.equal(standardAttribute(key) ?? null, annotations?.khan.standard, key);
    if (typeof type === 'object') {
      t.ok(
        type.members.some((member) => member.value === value),
        `${key}=${String(value)}`,
      );
    } else {
      const isNumber = typeof value === 'number';
      t.equal(isNumber ? (Number.isInteger(value) ? 'int' : 'double') : typeof value, type, key);
    }
  }
  const keys = new Set(told.map(([key]) => key));
  for (const { definition, reference } of attributes) {
    const isOwn = definition.key.startsWith('leak_') || reference.ref === 'closed_by';
    if (isOwn) t.ok(keys.has(definition.key), definition.key);
  }
});

t.test('what the push translates to is what the registry says', async (t) => {
  for (const { name, annotations } of metricsOfEntity('khan.agent')) {
    t.equal(standardMetric(name), annotations?.khan.standard, name);
  }
  const pushed = new Set(
    metricsOfEntity('khan.agent').flatMap(({ attributes }) =>
      attributes.map(({ definition }) => definition),
    ),
  );
  for (const { key, type, annotations } of pushed) {
    t.equal(standardAttribute(key) ?? null, annotations?.khan.standard, key);
    if (key !== 'state' || typeof type === 'string') continue;
    for (const { value, annotations: own } of type.members) {
      t.equal(standardState(value), own?.khan.standard, value);
    }
  }
  const known: ReadonlySet<unknown> = new Set(Object.values(incubating));
  const standard = [...pushed].flatMap(({ annotations }) => {
    const khan = annotations?.khan;
    return [khan?.standard, khan?.resource].filter((name) => typeof name === 'string');
  });
  t.strictSame(
    standard.filter((name) => !name.startsWith('khan.') && !known.has(name)),
    // Of the metrics SDK specification.
    ['otel.metric.overflow'],
  );
});

t.test('the attributes of the entities are names of the conventions', async (t) => {
  const known: ReadonlySet<unknown> = new Set(Object.values(incubating));
  for (const { identity, description = [] } of registry.entities.values()) {
    for (const { ref } of [...identity, ...description]) t.ok(known.has(ref), ref);
  }
});

t.test('the manifest has the versions of khan and of the conventions', async (t) => {
  const { schema_url: url, dependencies } = readManifest();
  t.ok(url.endsWith(`/${manifest.version}`));
  const version = manifest.dependencies['@opentelemetry/semantic-conventions'];
  t.ok(dependencies[0]?.schema_url.endsWith(`/${version}`));
  t.ok(dependencies[0]?.registry_path.endsWith(`@v${version}[model]`));
});

t.test('docs/metrics.md is what the registry says', async (t) => {
  const script = fileURLToPath(new URL('../../otel/write-metrics-page.ts', import.meta.url));
  t.doesNotThrow(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' }));
});

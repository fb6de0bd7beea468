import * as incubating from '@opentelemetry/semantic-conventions/incubating';
import t from 'tap';
import { stateName } from '../../src/conntrack/state.ts';
import { METRIC } from '../../src/telemetry/metric-names.ts';
import { ATTRIBUTE } from '../../src/telemetry/names.ts';
import {
  standardAttribute,
  standardAttributes,
  standardMetric,
  standardState,
} from '../../src/telemetry/standard-names.ts';

const KNOWN: ReadonlySet<unknown> = new Set(Object.values(incubating));
const KHAN_NAME = /^khan(?:\.[a-z][a-z0-9_]*)+$/;
/** Of the resource only. */
const RESOURCE_ATTRIBUTES: readonly string[] = [ATTRIBUTE.hostName];

const KEYS = Object.values(ATTRIBUTE).filter((key) => !RESOURCE_ATTRIBUTES.includes(key));
const STATES = new Set(
  [6, 33, 132, 17].flatMap((protocol) => {
    return Array.from({ length: 16 }, (_, slot) => stateName(protocol, slot));
  }),
);

function namesTwice(names: readonly (string | undefined)[]): unknown[] {
  return names.filter((name, at) => name !== undefined && names.indexOf(name) < at);
}

t.test('what is not of the namespace khan is a name of the conventions', async (t) => {
  for (const key of KEYS) {
    const name = standardAttribute(key);
    if (name === undefined || KHAN_NAME.test(name)) continue;
    // The metrics SDK specification has this one, and the conventions have not.
    t.ok(KNOWN.has(name) || name === ATTRIBUTE.overflow, `${key}: ${name}`);
  }
  for (const { name } of Object.values(METRIC)) t.match(standardMetric(name), KHAN_NAME);
});

t.test('no two attributes, metrics or states become one', async (t) => {
  t.strictSame(namesTwice(KEYS.map(standardAttribute)), []);
  t.strictSame(namesTwice(Object.values(METRIC).map(({ name }) => standardMetric(name))), []);
  t.ok(STATES.size > 25);
  t.strictSame(namesTwice([...STATES].map(standardState)), []);
});

t.test('a name is no namespace of another', async (t) => {
  const names = Object.values(METRIC).map(({ name }) => standardMetric(name));
  t.strictSame(
    names.filter((name) => names.some((other) => other.startsWith(`${name}.`))),
    [],
  );
});

t.test('values keep their type, and what is left out leaves nothing', async (t) => {
  const attributes = {
    node: 'node-a',
    dst_port: 443,
    primary: false,
    'otel.metric.overflow': true,
  };
  t.strictSame(standardAttributes(attributes), {
    'destination.port': 443,
    'khan.primary': false,
    'otel.metric.overflow': true,
  });
});

/**
 * The parts of the definition format 2 of OpenTelemetry's semantic conventions that khan uses, as a JSON
 * schema. Weaver's own takes more (schemas/semconv.schema.v2.json, weaver 0.25.1) and lets any annotation
 * pass: what is not here is a slip of the pen.
 */

interface Described {
  readonly brief: string;
  readonly note?: string;
  readonly stability: string;
}

interface Member {
  readonly id: string;
  readonly value: string;
  readonly brief?: string;
  readonly stability: string;
  readonly annotations?: { readonly khan: { readonly standard: string } };
}

export interface AttributeDefinition extends Described {
  readonly key: string;
  readonly type: 'string' | 'int' | 'double' | 'boolean' | { readonly members: readonly Member[] };
  readonly examples?: readonly (string | number)[];
  /** `standard`: its name over OTLP with standard names; null where `resource` has it in its place. */
  readonly annotations?: {
    readonly khan: { readonly standard: string | null; readonly resource?: string };
  };
}

export type RequirementLevel =
  'required' | 'recommended' | 'opt_in' | { readonly conditionally_required: string };

export interface AttributeReference {
  readonly ref: string;
  readonly requirement_level?: RequirementLevel;
  /** `values`: the members that occur here, where not all do. */
  readonly annotations?: { readonly khan: { readonly values: readonly string[] } };
}

export type AttributeOrGroup = AttributeReference | { readonly ref_group: string };

export interface GroupDefinition {
  readonly id: string;
  readonly visibility: 'internal' | 'public';
  readonly brief?: string;
  readonly note?: string;
  readonly stability?: string;
  readonly attributes: readonly AttributeReference[];
}

export interface MetricDefinition extends Described {
  readonly name: string;
  readonly instrument: 'counter' | 'updowncounter' | 'gauge' | 'histogram';
  readonly unit: string;
  readonly entity_associations: readonly string[];
  readonly attributes?: readonly AttributeOrGroup[];
  /** `standard`: its name over OTLP with standard names; `question`: what it answers. */
  readonly annotations?: {
    readonly khan: { readonly standard?: string; readonly question?: string };
  };
}

/** A log record with a name and attributes of its own. */
export interface EventDefinition extends Described {
  readonly name: string;
  readonly entity_associations: readonly string[];
  readonly attributes: readonly AttributeOrGroup[];
}

export interface EntityDefinition extends Described {
  readonly type: string;
  readonly identity: readonly AttributeReference[];
  readonly description?: readonly AttributeReference[];
}

export interface DefinitionFile {
  readonly file_format: 'definition/2';
  readonly attributes?: readonly AttributeDefinition[];
  readonly attribute_groups?: readonly GroupDefinition[];
  readonly metrics?: readonly MetricDefinition[];
  readonly events?: readonly EventDefinition[];
  readonly entities?: readonly EntityDefinition[];
}

type Schema = Readonly<Record<string, unknown>>;

const text = { type: 'string', minLength: 1 };
const stability = { enum: ['stable', 'release_candidate', 'beta', 'alpha', 'development'] };
const described = { brief: text, note: text, stability };

function oneOf(...values: readonly string[]): Schema {
  return { enum: values };
}

function list(items: Schema): Schema {
  return { type: 'array', items, minItems: 1 };
}

/** An object with these properties and no others; those of `optional` may be missing. */
function record(
  properties: Schema,
  { optional = [] }: { optional?: readonly string[] } = {},
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required, additionalProperties: false };
}

/** Annotations of khan's own. */
function annotations(properties: Schema, options: { optional?: readonly string[] } = {}): Schema {
  return record({ khan: record(properties, options) });
}

const member = record(
  { id: text, value: text, brief: text, stability, annotations: annotations({ standard: text }) },
  { optional: ['brief', 'annotations'] },
);

const attribute = record(
  {
    key: text,
    type: {
      anyOf: [oneOf('string', 'int', 'double', 'boolean'), record({ members: list(member) })],
    },
    ...described,
    examples: list({ type: ['string', 'number'] }),
    annotations: annotations(
      { standard: { type: ['string', 'null'] }, resource: text },
      { optional: ['resource'] },
    ),
  },
  { optional: ['note', 'examples', 'annotations'] },
);

const requirementLevel = {
  anyOf: [oneOf('required', 'recommended', 'opt_in'), record({ conditionally_required: text })],
};

const reference = record(
  {
    ref: text,
    requirement_level: requirementLevel,
    annotations: annotations({ values: list(text) }),
  },
  { optional: ['requirement_level', 'annotations'] },
);

const group = {
  oneOf: [
    record({ id: text, visibility: oneOf('internal'), attributes: list(reference) }),
    record(
      { id: text, visibility: oneOf('public'), ...described, attributes: list(reference) },
      { optional: ['note'] },
    ),
  ],
};

const associations = {
  entity_associations: list(text),
  attributes: list({ anyOf: [reference, record({ ref_group: text })] }),
};

const event = record({ name: text, ...described, ...associations }, { optional: ['note'] });

const metric = record(
  {
    name: text,
    instrument: oneOf('counter', 'updowncounter', 'gauge', 'histogram'),
    unit: { type: 'string' },
    ...described,
    ...associations,
    annotations: annotations(
      { standard: text, question: text },
      { optional: ['standard', 'question'] },
    ),
  },
  { optional: ['note', 'attributes', 'annotations'] },
);

const entity = record(
  { type: text, ...described, identity: list(reference), description: list(reference) },
  { optional: ['note', 'description'] },
);

export const DEFINITION_SCHEMA = record(
  {
    file_format: oneOf('definition/2'),
    attributes: list(attribute),
    attribute_groups: list(group),
    metrics: list(metric),
    events: list(event),
    entities: list(entity),
  },
  { optional: ['attributes', 'attribute_groups', 'metrics', 'events', 'entities'] },
);

export interface Manifest {
  readonly schema_url: string;
  readonly description: string;
  readonly stability: string;
  readonly dependencies: readonly { readonly schema_url: string; readonly registry_path: string }[];
}

const url = { type: 'string', pattern: '^https://' };

/** Weaver takes one dependency at most. */
export const MANIFEST_SCHEMA = record({
  schema_url: url,
  description: text,
  stability,
  dependencies: { ...list(record({ schema_url: url, registry_path: url })), maxItems: 1 },
});

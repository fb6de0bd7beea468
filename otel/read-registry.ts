import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import {
  DEFINITION_SCHEMA,
  MANIFEST_SCHEMA,
  type AttributeDefinition,
  type AttributeOrGroup,
  type AttributeReference,
  type DefinitionFile,
  type EntityDefinition,
  type EventDefinition,
  type GroupDefinition,
  type Manifest,
  type MetricDefinition,
} from './registry-schema.ts';

/** An attribute as one metric or event has it. */
export interface MetricAttribute {
  readonly definition: AttributeDefinition;
  readonly reference: AttributeReference;
  /** The group that brings it, if it is one that can be switched on. */
  readonly group: GroupDefinition | undefined;
}

export interface Metric extends Omit<MetricDefinition, 'attributes'> {
  readonly attributes: readonly MetricAttribute[];
}

export interface RegistryEvent extends Omit<EventDefinition, 'attributes'> {
  readonly attributes: readonly MetricAttribute[];
}

export interface Registry {
  readonly attributes: ReadonlyMap<string, AttributeDefinition>;
  readonly groups: ReadonlyMap<string, GroupDefinition>;
  readonly metrics: ReadonlyMap<string, Metric>;
  readonly events: ReadonlyMap<string, RegistryEvent>;
  /** Their attributes are the standard's own, of the registry that the manifest depends on. */
  readonly entities: ReadonlyMap<string, EntityDefinition>;
}

const FOLDER = new URL('./registry/', import.meta.url);
const MANIFEST = 'manifest.yaml';

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
const isDefinitionFile = ajv.compile<DefinitionFile>(DEFINITION_SCHEMA);
const isManifest = ajv.compile<Manifest>(MANIFEST_SCHEMA);

export function readManifest(): Manifest {
  const manifest: unknown = parse(readFileSync(new URL(MANIFEST, FOLDER), 'utf8'));
  if (isManifest(manifest)) return manifest;
  throw new Error(`Cannot read ${MANIFEST}: ${ajv.errorsText(isManifest.errors)}`);
}

/** The files of otel/registry, in the order of their names. */
export function readRegistry(): Registry {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml') && name !== MANIFEST);
  return resolveRegistry(
    names
      .toSorted()
      .map((name) => parseDefinition(name, readFileSync(new URL(name, FOLDER), 'utf8'))),
  );
}

/** Throws where a file has what the schema does not know. */
export function parseDefinition(name: string, yaml: string): DefinitionFile {
  const file: unknown = parse(yaml);
  if (isDefinitionFile(file)) return file;
  throw new Error(`Cannot read ${name}: ${ajv.errorsText(isDefinitionFile.errors)}`);
}

/** Throws where something is defined twice, is referred to but not defined, or defined in vain. */
export function resolveRegistry(files: readonly DefinitionFile[]): Registry {
  const attributes = byKey(
    files.flatMap((file) => file.attributes ?? []),
    ({ key }) => key,
  );
  const groups = byKey(
    files.flatMap((file) => file.attribute_groups ?? []),
    ({ id }) => id,
  );
  const entities = byKey(
    files.flatMap((file) => file.entities ?? []),
    ({ type }) => type,
  );
  const metricsByName = byKey(
    files.flatMap((file) => file.metrics ?? []),
    ({ name }) => name,
  );
  const eventsByName = byKey(
    files.flatMap((file) => file.events ?? []),
    ({ name }) => name,
  );
  const used = new Set<string>();
  const metricAttribute = (reference: AttributeReference, group?: GroupDefinition) => {
    used.add(reference.ref);
    return { definition: found(attributes, reference.ref), reference, group };
  };
  const expand = (item: AttributeOrGroup): MetricAttribute[] => {
    if ('ref' in item) return [metricAttribute(item)];
    used.add(item.ref_group);
    const group = found(groups, item.ref_group);
    const chosen = group.visibility === 'public' ? group : undefined;
    return group.attributes.map((reference) => metricAttribute(reference, chosen));
  };
  const attributesOf = ({
    entity_associations: types,
    attributes: items = [],
  }: Pick<MetricDefinition, 'entity_associations' | 'attributes'>): MetricAttribute[] => {
    for (const type of types) {
      found(entities, type);
      used.add(type);
    }
    const expanded = items.flatMap(expand);
    byKey(expanded, ({ reference }) => reference.ref);
    return expanded;
  };
  const metrics = new Map<string, Metric>();
  for (const [name, definition] of metricsByName) {
    metrics.set(name, { ...definition, attributes: attributesOf(definition) });
  }
  const events = new Map<string, RegistryEvent>();
  for (const [name, definition] of eventsByName) {
    events.set(name, { ...definition, attributes: attributesOf(definition) });
  }
  for (const name of [attributes, groups, entities].flatMap((map) => [...map.keys()])) {
    if (!used.has(name)) throw new Error(`Cannot use ${name}: nothing refers to it`);
  }
  return { attributes, groups, metrics, events, entities };
}

function byKey<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, T> {
  const map = new Map<string, T>();
  for (const item of items) {
    if (map.has(keyOf(item))) throw new Error(`Cannot use ${keyOf(item)}: it is there twice`);
    map.set(keyOf(item), item);
  }
  return map;
}

function found<T>(map: ReadonlyMap<string, T>, key: string): T {
  const item = map.get(key);
  if (item === undefined) throw new Error(`Cannot find ${key}: no file defines it`);
  return item;
}

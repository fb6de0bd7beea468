/**
 * The part of JSON Schema (draft 2020-12) in which khan's own formats are written, and a check of it
 * that names every fault. The controller's framework reads the same schemas with a full validator,
 * which would cost the agent 13 MiB of memory on every node.
 */

export type Schema =
  | {
      readonly type: 'string';
      readonly enum?: readonly string[];
      readonly minLength?: number;
      readonly maxLength?: number;
    }
  | { readonly type: 'integer'; readonly minimum?: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'array'; readonly items: Schema }
  | {
      readonly type: 'object';
      readonly required?: readonly string[];
      readonly properties?: Readonly<Record<string, Schema>>;
      /** Of all other keys; they may be anything where it is left out. */
      readonly additionalProperties?: Schema | false;
    };

type ObjectSchema = Extract<Schema, { type: 'object' }>;

/** Each fault as `path: what is wrong`, e.g. `addresses["10.1.0.11"].name: missing`; none when valid. */
export function faultsOf(schema: Schema, value: unknown, path = ''): string[] {
  const fault = (reason: string): string[] => [path === '' ? reason : `${path}: ${reason}`];
  switch (schema.type) {
    case 'string': {
      const { enum: choices, minLength = 0, maxLength = Infinity } = schema;
      if (typeof value !== 'string') return fault(`must be text, not ${shown(value)}`);
      if (choices !== undefined && !choices.includes(value)) {
        return fault(`must be one of ${choices.join(', ')}, not ${shown(value)}`);
      }
      if (value.length < minLength) return fault('must not be empty');
      if (value.length > maxLength) return fault(`must not be longer than ${maxLength} characters`);
      return [];
    }
    case 'integer': {
      const { minimum = -Infinity } = schema;
      if (Number.isInteger(value) && Number(value) >= minimum) return [];
      return fault(`must be a whole number from ${minimum}, not ${shown(value)}`);
    }
    case 'boolean':
      return typeof value === 'boolean' ? [] : fault(`must be true or false, not ${shown(value)}`);
    case 'array':
      if (!Array.isArray(value)) return fault(`must be a list, not ${shown(value)}`);
      return value.flatMap((item, at) => faultsOf(schema.items, item, `${path}[${at}]`));
    case 'object':
      break;
  }
  if (!isRecord(value)) return fault(`must be a mapping, not ${shown(value)}`);
  return faultsOfRecord(schema, value, path);
}

function faultsOfRecord(
  { required = [], properties = {}, additionalProperties }: ObjectSchema,
  record: Readonly<Record<string, unknown>>,
  path: string,
): string[] {
  const missing = required
    .filter((key) => !Object.hasOwn(record, key))
    .map((key) => `${pathOf(path, key)}: missing`);
  const present = Object.entries(record).flatMap(([key, value]) => {
    const schema = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (schema === undefined) return [];
    if (schema === false) return [`${pathOf(path, key)}: unknown key`];
    return faultsOf(schema, value, pathOf(path, key));
  });
  return [...missing, ...present];
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function pathOf(path: string, key: string): string {
  if (!/^[A-Za-z_]\w*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return isRecord(value) ? 'a mapping' : JSON.stringify(value);
}

/**
 * POST /v1/resolve: how the agent asks the controller who owns the addresses of its table.
 * Additions only; a reader ignores keys that it does not know.
 */

import { IDENTITY_TYPES, type Identity, type Ownership } from './identity.ts';
import { faultsOf, type Schema } from './schema.ts';

export const RESOLVE_PATH = '/v1/resolve';
/** `have` and `want` of one request together. */
export const ADDRESSES_MAX = 4096;
/** Of a request, before and after decompression; holds ADDRESSES_MAX of the longest addresses. */
export const REQUEST_BYTES_MAX = 256 * 1024;

/** Addresses are canonical text: of another spelling nobody knows the owner. */
export interface ResolveRequest {
  /** The node that asks. */
  readonly node: string;
  /** Of the last answer; absent before the first. */
  readonly epoch?: string;
  /** The `rev` as of which every address in `have` is known. */
  readonly since?: number;
  /** Answered only if the owner changed after `since`. */
  readonly have?: readonly string[];
  /** Always answered. */
  readonly want?: readonly string[];
}

/** Who owns an address, when and from whom it was taken over, and when the owner ended, where that is known. */
export type ResolvedEntry = Identity & Omit<Ownership, 'identity'>;

export interface ResolveResponse {
  /** Random, one for each process of a controller: `rev` counts within it. */
  readonly epoch: string;
  readonly rev: number;
  /** The controller knows all its sources have. */
  readonly synced: boolean;
  /** A source is away: what is said here may be outdated. */
  readonly stale: boolean;
  /** By address as it was asked. */
  readonly entries: Readonly<Record<string, ResolvedEntry>>;
  /** Of `have`: addresses that have lost their owner. */
  readonly gone: readonly string[];
  /** `epoch` or `since` meant nothing here: all of `have` counted as `want`, and what is not in `entries` is unknown. */
  readonly reset: boolean;
  /** When the controller would like to be asked about the same addresses again. */
  readonly nextPollMs: number;
}

/** Kubernetes names have up to 253 characters (RFC 1123 subdomain); nothing here is longer. */
const name = { type: 'string', minLength: 1, maxLength: 253 } as const;
const addresses = { type: 'array', items: { type: 'string', maxLength: 45 } } as const;
const counter = { type: 'integer', minimum: 0 } as const;

const workloadSchema = {
  type: 'object',
  required: ['kind', 'name'],
  properties: { kind: name, name },
} as const satisfies Schema;

export const identitySchema = {
  type: 'object',
  required: ['type', 'name'],
  properties: {
    type: { type: 'string', enum: IDENTITY_TYPES },
    name,
    namespace: name,
    app: name,
    node: name,
    workload: workloadSchema,
    topologyZone: name,
  },
} as const satisfies Schema;

export const resolvedEntrySchema = {
  ...identitySchema,
  properties: {
    ...identitySchema.properties,
    sinceMs: counter,
    endedMs: counter,
    previous: identitySchema,
  },
} as const satisfies Schema;

export const resolveRequestSchema = {
  type: 'object',
  required: ['node'],
  properties: { node: name, epoch: name, since: counter, have: addresses, want: addresses },
} as const satisfies Schema;

export const resolveResponseSchema = {
  type: 'object',
  required: ['epoch', 'rev', 'synced', 'stale', 'entries', 'gone', 'reset', 'nextPollMs'],
  properties: {
    epoch: name,
    rev: counter,
    synced: { type: 'boolean' },
    stale: { type: 'boolean' },
    entries: { type: 'object', additionalProperties: resolvedEntrySchema },
    gone: addresses,
    reset: { type: 'boolean' },
    nextPollMs: counter,
  },
} as const satisfies Schema;

/** Throws an Error that names the first fault. */
export function readResolveResponse(json: string): ResolveResponse {
  const response: unknown = JSON.parse(json);
  if (isResolveResponse(response)) return response;
  const [fault] = faultsOf(resolveResponseSchema, response);
  throw new Error(`Cannot read the answer of ${RESOLVE_PATH}: ${fault}`);
}

function isResolveResponse(value: unknown): value is ResolveResponse {
  return faultsOf(resolveResponseSchema, value).length === 0;
}

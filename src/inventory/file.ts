import { hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { parseDocument } from 'yaml';
import { canonicalAddress } from '../net/address.ts';
import { parseCidr, type Cidr } from '../net/cidr.ts';
import { EXIT_FAILURE, EXIT_USAGE, Failure } from '../runtime/failure.ts';
import type { Log } from '../runtime/log.ts';
import { RANK, type Claim } from './claim.ts';
import type { Identity, IdentityType } from './identity.ts';
import type { Inventory } from './inventory.ts';
import { faultsOf, isRecord, pathOf, type Schema } from './schema.ts';
import { identitySchema } from './wire.ts';

/** About 30,000 addresses; YAML takes some 1.6 s a MiB to read. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** In the message; the file may have more. */
const FAULTS_SHOWN_MAX = 20;

/** In a file, unlike on the wire, an unknown key is a typing error. */
const ownerSchema = {
  ...identitySchema,
  properties: {
    ...identitySchema.properties,
    workload: { ...identitySchema.properties.workload, additionalProperties: false },
  },
  additionalProperties: false,
} as const satisfies Schema;

const documentSchema = {
  type: 'object',
  properties: {
    addresses: { type: 'object', additionalProperties: ownerSchema },
    cidrs: { type: 'object', additionalProperties: ownerSchema },
  },
  additionalProperties: false,
} as const satisfies Schema;

/** An address in a file is claimed as the best of what its type could be. */
const RANK_OF_TYPE = {
  pod: RANK.pod,
  service: RANK.serviceClusterIp,
  node: RANK.nodeInternalIp,
  gateway: RANK.podCidrGateway,
  network: RANK.podCidrNetwork,
} as const satisfies Record<IdentityType, number>;

interface Document {
  readonly addresses?: Readonly<Record<string, Identity>>;
  readonly cidrs?: Readonly<Record<string, Identity>>;
}

interface Content {
  readonly claims: readonly Claim[];
  readonly cidrs: readonly (readonly [Cidr, Identity])[];
}

/** A YAML or JSON file that says who owns which address, kept in an inventory. */
export class InventoryFile {
  readonly #path: string;
  readonly #inventory: Inventory;
  readonly #log: Log;
  #digest = '';
  /** Of the content with this digest. */
  #refusal: Failure | undefined;
  /** What was logged of the last look. */
  #fault: string | undefined;

  constructor(options: {
    readonly path: string;
    readonly inventory: Inventory;
    readonly log: Log;
  }) {
    this.#path = options.path;
    this.#inventory = options.inventory;
    this.#log = options.log;
  }

  /** The last look at the file found it readable and without a fault. */
  get isSound(): boolean {
    return this.#fault === undefined;
  }

  /** Reads the file. Throws a {@link Failure} when it cannot be read, or with all its faults. */
  async load(): Promise<void> {
    const text = await readText(this.#path);
    // Modification times would miss a change: mounted ConfigMaps are swapped by symbolic link.
    const digest = hash('sha256', text);
    if (digest !== this.#digest) {
      // Whoever writes it anew may empty it first. A file that shall have no owners says `{}`.
      if (this.#digest !== '' && text.trim() === '') throw cannotRead(this.#path, 'it is empty');
      this.#digest = digest;
      this.#refusal = this.#take(text);
    }
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  /** Reads the file again if it changed. What is wrong is logged once, and the old content stays. */
  async refresh(): Promise<void> {
    try {
      await this.load();
      this.#fault = undefined;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.message !== this.#fault) {
        this.#log.error({ path: this.#path }, `${error.message}; the last content stays`);
      }
      this.#fault = error.message;
    }
  }

  #take(text: string): Failure | undefined {
    const content = parse(text, this.#path);
    if (content instanceof Failure) return content;
    const { claims, cidrs } = content;
    this.#inventory.put(`file:${this.#path}`, claims);
    this.#inventory.replaceCidrs(cidrs);
    const counts = { addresses: claims.length, cidrs: cidrs.length };
    this.#log.info({ path: this.#path, ...counts }, 'Inventory file read');
    return undefined;
  }
}

function cannotRead(path: string, reason: string, cause?: unknown): Failure {
  const message = `Cannot read inventory file ${path}: ${reason}`;
  return new Failure(message, { exitCode: EXIT_FAILURE, cause });
}

async function readText(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await buffer(createReadStream(path, { end: FILE_BYTES_MAX }));
  } catch (error) {
    throw cannotRead(path, messageOf(error), error);
  }
  if (bytes.length > FILE_BYTES_MAX)
    throw cannotRead(path, `it is larger than ${FILE_BYTES_MAX} bytes`);
  return bytes.toString('utf8');
}

function parse(text: string, path: string): Content | Failure {
  const faults: string[] = [];
  const document = parseYaml(text, faults);
  const addresses = readKeys(document, 'addresses', readAddress, faults);
  const cidrs = readKeys(document, 'cidrs', parseCidr, faults);
  if (!isValid(document, faults)) {
    const shown = faults.slice(0, FAULTS_SHOWN_MAX);
    if (faults.length > shown.length) shown.push(`and ${faults.length - shown.length} more`);
    const message = `Cannot use inventory file ${path}:\n  ${shown.join('\n  ')}`;
    return new Failure(message, { exitCode: EXIT_USAGE });
  }
  return {
    claims: pair(addresses, document.addresses).map(([{ text: address }, identity]) => ({
      address,
      rank: RANK_OF_TYPE[identity.type],
      identity,
    })),
    cidrs: pair(cidrs, document.cidrs),
  };
}

/** An empty document when the text is empty or no YAML. */
function parseYaml(text: string, faults: string[]): unknown {
  const document = parseDocument(text);
  const problems = [...document.errors, ...document.warnings];
  // The first line of a message says what and where; an excerpt of the file follows.
  faults.push(...problems.map(({ message }) => message.replace(/:?\n.*/s, '')));
  if (problems.length > 0) return {};
  try {
    return document.toJS() ?? {};
  } catch (error) {
    // More aliases than the parser allows.
    faults.push(messageOf(error));
    return {};
  }
}

/** What the keys of a section stand for, by the key as written. */
function readKeys<Key extends { readonly text: string }>(
  document: unknown,
  section: keyof Document,
  readKey: (written: string) => Key,
  faults: string[],
): ReadonlyMap<string, Key> {
  const owners = isRecord(document) ? document[section] : undefined;
  const keys = new Map<string, Key>();
  const texts = new Set<string>();
  for (const written of isRecord(owners) ? Object.keys(owners) : []) {
    try {
      const key = readKey(written);
      if (texts.has(key.text)) throw new Error(`${key.text} is there already`);
      texts.add(key.text);
      keys.set(written, key);
    } catch (error) {
      faults.push(`${pathOf(section, written)}: ${messageOf(error)}`);
    }
  }
  return keys;
}

function readAddress(written: string): { readonly text: string } {
  const text = canonicalAddress(written);
  if (text === undefined) throw new Error('not an address');
  return { text };
}

function isValid(document: unknown, faults: string[]): document is Document {
  faults.push(...faultsOf(documentSchema, document));
  return faults.length === 0;
}

function pair<Key>(
  keys: ReadonlyMap<string, Key>,
  owners: Document[keyof Document] = {},
): (readonly [Key, Identity])[] {
  return Object.entries(owners).flatMap(([written, identity]) => {
    const key = keys.get(written);
    return key === undefined ? [] : [[key, identity] as const];
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import { Rates } from './rates.ts';
import { readPage, type Edge, type Reading } from './reading.ts';

/** Pages that are read at a time: each may be tens of megabytes. */
const PAGES_AT_ONCE = 4;

/** Where pages come from. */
export interface PageSource {
  /** As a user would say it. */
  readonly name: string;
  /** Rejects with an Error whose message says why there is none. */
  readonly read: (signal: AbortSignal) => Promise<string>;
}

/** What is known of one agent. */
export interface AgentState {
  readonly name: string;
  /** The last page that could be read. */
  readonly reading: Reading | undefined;
  /** Between the snapshots that its rates are of. */
  readonly rateSeconds: number | undefined;
  /** Why there is no newer page. */
  readonly fault: Error | undefined;
}

/** Some agents, of which each has a table of its own. */
export class Agents {
  readonly #sources: readonly PageSource[];
  readonly #rates = new Map<PageSource, Rates>();
  #states: readonly AgentState[];

  constructor(sources: readonly PageSource[]) {
    this.#sources = sources;
    this.#states = sources.map(({ name }) => {
      return { name, reading: undefined, rateSeconds: undefined, fault: undefined };
    });
  }

  get states(): readonly AgentState[] {
    return this.#states;
  }

  /** Of the tables of all agents; what two of them see is there once. */
  *edges(): Generator<Edge, void> {
    for (const { reading } of this.#states)
      if (reading !== undefined) yield* reading.edges.values();
  }

  /** Reads all pages again. An agent that has none to give keeps what it gave last. */
  async refresh(signal: AbortSignal): Promise<void> {
    const states = [...this.#states];
    for (let from = 0; from < states.length; from += PAGES_AT_ONCE) {
      const some = this.#sources.slice(from, from + PAGES_AT_ONCE);
      const read = some.map(async (source, at) => {
        states[from + at] = await this.#read(source, states[from + at], signal);
      });
      await Promise.all(read);
      signal.throwIfAborted();
    }
    refuseTwins(states);
    this.#states = states;
  }

  async #read(
    source: PageSource,
    last: AgentState | undefined,
    signal: AbortSignal,
  ): Promise<AgentState> {
    const { name } = source;
    const rates = this.#rates.get(source) ?? new Rates();
    this.#rates.set(source, rates);
    try {
      const page = await source.read(signal);
      const reading = await readPage(page, { isPrimaryOnly: this.#sources.length > 1 });
      rates.addTo(reading);
      return { name, reading, rateSeconds: rates.seconds, fault: undefined };
    } catch (cause) {
      return {
        name,
        reading: last?.reading,
        rateSeconds: last?.rateSeconds,
        fault: asFailure(name, cause),
      };
    }
  }
}

/** A Failure says all by itself. */
function asFailure(name: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Failure(`Cannot read ${name}: ${reason}`, { exitCode: EXIT_FAILURE, cause });
}

/** Two addresses of one agent would count everything twice. */
function refuseTwins(states: readonly AgentState[]): void {
  const seen = new Map<string, string>();
  for (const { name, reading } of states) {
    const node = reading?.health.node;
    if (node === undefined) continue;
    const other = seen.get(node);
    if (other !== undefined) {
      const message = `Cannot add up ${other} and ${name}: both are the agent of ${node}`;
      throw new Failure(message, { exitCode: EXIT_FAILURE });
    }
    seen.set(node, name);
  }
}

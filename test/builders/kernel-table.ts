import { edgeNameOf } from './tally-model.ts';
import { flow, type Flow, IPS_CONFIRMED } from './flow.ts';

const IPS_DYING = 1 << 9;
export const TUPLES = 5;
const STARTED_NS = 1_790_000_000_000_000_000n;

interface Life {
  readonly flow: Flow;
  /** From before the listener, where nf_conntrack_events is 2: nothing is told of it. */
  readonly isSilent: boolean;
  /** It was there before khan: neither opened nor closed. */
  readonly isBaseline: boolean;
  /** Its event is out, but it is still there. */
  isDying: boolean;
  /** Dumps leave it out, and its event comes when somebody stumbles on it. */
  isExpired: boolean;
  /** The next dump leaves it out, but does not remove it: it removes eight at most of a bucket. */
  isLingering: boolean;
}

export type Deed =
  | { readonly kind: 'open'; readonly tuple: number; readonly id: number; readonly backend: number }
  | { readonly kind: 'end' | 'die' | 'expire' | 'linger'; readonly tuple: number };

/** The kernel's table, as far as it tells of ends; and the truth that it knows. */
export class KernelTable {
  readonly truth = new Map<string, { opened: number; closed: number }>();
  /** Events that nobody has received yet. */
  readonly queue: Flow[] = [];
  readonly #lives: (Life | undefined)[] = Array.from({ length: TUPLES });
  readonly #isTimestamped: boolean;
  #clock = 0n;
  /** Khan has not looked yet. */
  isBefore = true;

  constructor({ isTimestamped }: { readonly isTimestamped: boolean }) {
    this.#isTimestamped = isTimestamped;
  }

  do(deed: Deed, { isSilent = false } = {}): void {
    const life = this.#lives[deed.tuple];
    switch (deed.kind) {
      case 'open':
        // Whoever finds an expired entry removes it, and whoever finds a dying one waits until it is gone.
        if (life?.isExpired === true || life?.isDying === true) this.#remove(deed.tuple);
        if (this.#lives[deed.tuple] === undefined) this.#open(deed, isSilent);
        break;
      case 'end':
        this.#remove(deed.tuple);
        break;
      case 'die':
        if (life !== undefined && !life.isExpired && !life.isDying) {
          this.#tell(life);
          life.isDying = true;
        }
        break;
      case 'expire':
      case 'linger':
        if (life === undefined || life.isDying || life.isExpired) break;
        life.isExpired = true;
        life.isLingering = deed.kind === 'linger';
        break;
      default:
        throw new Error('no such deed');
    }
  }

  /** A dump, entry by entry; `between` is told before which tuple it is, and behind the last one. */
  *dump(between: (tuple: number) => void): Generator<Flow> {
    for (let tuple = 0; tuple < TUPLES; tuple++) {
      between(tuple);
      const life = this.#lives[tuple];
      if (life === undefined) continue;
      if (life.isLingering) {
        life.isLingering = false;
      } else if (life.isExpired) {
        this.#remove(tuple);
      } else {
        const status = life.flow.status | (life.isDying ? IPS_DYING : 0);
        yield { ...life.flow, status };
      }
    }
    between(TUPLES);
    // From the event to the removal it is a moment, in which a dump may fall; never a dump and a poll.
    for (let tuple = 0; tuple < TUPLES; tuple++) {
      if (this.#lives[tuple]?.isDying === true) this.#remove(tuple);
    }
  }

  #open(deed: Deed & { kind: 'open' }, isSilent: boolean): void {
    const one = flow({
      // After a silent end nothing but another id tells that it was one.
      id: deed.id + (isSilent ? 100 : 0),
      sourcePort: deed.tuple,
      backend: `10.2.0.${1 + deed.backend}`,
      status: IPS_CONFIRMED,
      start: this.#isTimestamped ? STARTED_NS + ++this.#clock * 1_000_000_000n : 0n,
    });
    const isBaseline = this.isBefore;
    this.#lives[deed.tuple] = {
      flow: one,
      isSilent,
      isBaseline,
      isDying: false,
      isExpired: false,
      isLingering: false,
    };
    if (!isBaseline) this.#count(one).opened++;
  }

  #remove(tuple: number): void {
    const life = this.#lives[tuple];
    if (life === undefined) return;
    if (!life.isDying) this.#tell(life);
    this.#lives[tuple] = undefined;
    if (!life.isBaseline) this.#count(life.flow).closed++;
  }

  #tell({ flow: one, isSilent }: Life): void {
    if (!isSilent) this.queue.push({ ...one, status: one.status | IPS_DYING });
  }

  #count(one: Flow): { opened: number; closed: number } {
    const name = edgeNameOf(one);
    let counts = this.truth.get(name);
    if (counts === undefined) this.truth.set(name, (counts = { opened: 0, closed: 0 }));
    return counts;
  }
}

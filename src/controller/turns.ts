interface Options {
  readonly atATimeMax: number;
  readonly waitingMax?: number;
  readonly waitMsMax?: number;
}

/** All agents of a cluster may come at once; who waits holds the head of a request, and a connection. */
const WAITING_MAX = 4096;
/** Half of the time that an agent gives a question. */
const WAIT_MS_MAX = 5000;

/** Whoever comes is too much now. */
export class NoTurn extends Error {
  override readonly name = 'NoTurn';
}

interface Waiting {
  readonly begin: () => void;
  readonly timer: NodeJS.Timeout;
}

/** Few have their turn at a time; the others wait, in the order in which they came. */
export class Turns {
  readonly #options: Required<Options>;
  #taken = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(options: Options) {
    this.#options = { waitingMax: WAITING_MAX, waitMsMax: WAIT_MS_MAX, ...options };
  }

  /**
   * Resolves to what ends the turn, to be called once. Rejects with {@link NoTurn} when nobody may wait
   * or too many do, and when it takes too long.
   */
  async take({ mayWait = true }: { readonly mayWait?: boolean } = {}): Promise<() => void> {
    const { atATimeMax, waitingMax } = this.#options;
    if (this.#taken < atATimeMax) this.#taken++;
    else if (!mayWait) throw new NoTurn(`${atATimeMax} have their turn`);
    else if (this.#waiting.size < waitingMax) await this.#wait();
    else throw new NoTurn(`${waitingMax} wait for their turn`);
    return () => this.#end();
  }

  async #wait(): Promise<void> {
    const { waitMsMax } = this.#options;
    const turn = Promise.withResolvers<void>();
    const giveUp = () => {
      this.#waiting.delete(waiting);
      turn.reject(new NoTurn(`no turn within ${waitMsMax} ms`));
    };
    const timer = setTimeout(giveUp, waitMsMax).unref();
    const waiting = { begin: turn.resolve, timer };
    this.#waiting.add(waiting);
    return turn.promise;
  }

  /** The turn goes to whoever waits for the longest. */
  #end(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken--;
      return;
    }
    this.#waiting.delete(next);
    clearTimeout(next.timer);
    next.begin();
  }
}

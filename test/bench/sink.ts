import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** A collector that accepts everything and reads nothing but its length. */
export class Sink implements AsyncDisposable {
  requests = 0;
  bytes = 0;
  #isAnswering = true;
  readonly #server = createServer((request, response) => {
    this.requests += 1;
    request.on('data', (chunk: Buffer) => (this.bytes += chunk.length));
    request.on('end', () => {
      if (this.#isAnswering) response.end();
    });
  });

  static async create(): Promise<Sink> {
    const sink = new Sink();
    sink.#server.listen(0, '127.0.0.1');
    await once(sink.#server, 'listening');
    return sink;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port to listen on');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Nothing has come yet; a silent one takes requests and does not answer. */
  reset(collector: 'well' | 'away' | 'silent'): void {
    this.#isAnswering = collector !== 'silent';
    this.requests = 0;
    this.bytes = 0;
  }

  /** Until so long nothing has come. */
  async idle(ms: number): Promise<void> {
    for (let seen = Number.NaN; seen !== this.requests;) {
      seen = this.requests;
      await delay(ms);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

import { deepStrictEqual, notDeepStrictEqual } from 'node:assert/strict';
import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { gunzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import * as fc from 'fast-check';
import t, { type Test } from 'tap';
import { ControllerNames } from '../../src/agent/controller-names.ts';
import type { Identity } from '../../src/inventory/identity.ts';
import { Inventory, RANK } from '../../src/inventory/inventory.ts';
import { ADDRESSES_MAX } from '../../src/inventory/wire.ts';
import { parseCidr } from '../../src/net/cidr.ts';
import { listening } from '../builders/listening.ts';
import { controllerServer } from '../builders/controller-server.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const never = { signal: new AbortController().signal };
const web = { type: 'pod', name: 'web-1' } as const;
const A = '10.1.0.11';
const MINUTE_MS = 60_000;

/** A controller on loopback that can be restarted, and its clock. */
class Loopback implements AsyncDisposable {
  readonly clock = { nowMs: 0 };
  readonly state = { synced: true, stale: false };
  inventory = new Inventory({ now: () => this.clock.nowMs });
  #app: FastifyInstance | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const { inventory } = this;
    const { log } = capturedLog();
    const { app } = controllerServer({
      inventory,
      state: () => this.state,
      nextPollMs: 1000,
      log,
    });
    this.#app = app;
    const { port } = new URL(await this.#app.listen({ host: '127.0.0.1', port: this.#port }));
    this.#port = Number(port);
  }

  async stop(): Promise<void> {
    this.#app?.server.closeAllConnections();
    await this.#app?.close();
    this.#app = undefined;
    this.inventory = new Inventory({ now: () => this.clock.nowMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function namesOf(
  controller: { readonly url: string; readonly clock: { nowMs: number } },
  addressesMax = 100,
) {
  const { log, lines } = capturedLog();
  const now = () => controller.clock.nowMs;
  const { url } = controller;
  const options = { url, nodeName: 'node-a', log, now, addressesMax, random: () => 0 };
  return { names: new ControllerNames(options), lines };
}

t.test('resolve() learns the owners of the addresses it is given', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  controller.clock.nowMs = 42;
  controller.inventory.put('a', [{ address: A, rank: RANK.pod, identity: web }]);
  await using agent = namesOf(controller).names;
  t.match(agent.mapping, { up: false, lastAnswerMs: undefined });
  await agent.resolve([A, '192.0.2.1'], never);
  t.strictSame(agent.identityOf(A), web);
  t.equal(agent.identityOf('192.0.2.1'), undefined);
  t.strictSame(agent.mapping, {
    up: true,
    stale: false,
    unresolvedAddresses: 1,
    failures: 0,
    lastAnswerMs: 42,
  });
});

t.test('resolve() splits what is too much for one request', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  const addresses = Array.from(
    { length: 2 * ADDRESSES_MAX + 1 },
    (_, at) => `fd00::${at.toString(16)}`,
  );
  const claims = addresses.map((address) => ({ address, rank: RANK.pod, identity: web }));
  controller.inventory.put('a', claims);
  await using agent = namesOf(controller, addresses.length).names;
  await agent.resolve(addresses, never);
  t.match(agent.mapping, { unresolvedAddresses: 0, failures: 0 });
});

t.test('while the controller is away the last names stay, and that is said once', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  controller.inventory.put('a', [{ address: A, rank: RANK.pod, identity: web }]);
  const { names, lines } = namesOf(controller);
  await using agent = names;
  await agent.resolve([A], never);
  await controller.stop();
  for (const failures of [1, 2]) {
    controller.clock.nowMs += MINUTE_MS;
    await agent.resolve([A], never);
    t.match(agent.mapping, { up: false, failures, lastAnswerMs: 0 });
  }
  t.strictSame(agent.identityOf(A), web);
  t.match(lines, [{ level: 40, err: { code: 'ECONNREFUSED' }, url: controller.url }]);

  await controller.start();
  controller.clock.nowMs += MINUTE_MS;
  await agent.resolve([A], never);
  t.match(agent.mapping, { up: true, failures: 2, unresolvedAddresses: 1 });
  t.match(lines.slice(1), [{ level: 30, msg: 'Controller answers again' }]);
});

t.test(
  'after failures it backs off for 1 to 60 seconds, and resolve() returns at once',
  async (t) => {
    const { log } = capturedLog();
    let nowMs = 0;
    await using agent = new ControllerNames({
      url: await closedPort(),
      nodeName: 'node-a',
      log,
      now: () => nowMs,
      random: () => 1,
    });
    let failures = 0;
    for (const backoffSeconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      await agent.resolve([A], never);
      t.equal(agent.mapping.failures, ++failures);
      nowMs += 1000 * backoffSeconds - 1;
      await agent.resolve([A], never);
      t.equal(agent.mapping.failures, failures);
      nowMs += 1;
    }
  },
);

t.test('it does not ask before the controller wants to be asked again', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  controller.state.synced = false;
  await using agent = namesOf(controller).names;
  await agent.resolve([A], never);
  t.equal(agent.mapping.failures, 1);
  controller.clock.nowMs = 4999;
  await agent.resolve([A], never);
  t.equal(agent.mapping.failures, 1);
  controller.clock.nowMs = 5000;
  await agent.resolve([A], never);
  t.equal(agent.mapping.failures, 2);
});

/** A controller that answers each question when it is told to. */
async function slowController(t: Test) {
  const server = createHttpServer();
  const { url } = await listening(server);
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const nextQuestion = async () => {
    const { promise, resolve } = Promise.withResolvers<[IncomingMessage, ServerResponse]>();
    server.once('request', (...exchange) => resolve(exchange));
    const [request, response] = await promise;
    const body = Buffer.concat(await Array.fromAsync<Buffer>(request));
    return { question: JSON.parse(gunzipSync(body).toString()), response };
  };
  return { url, clock: { nowMs: 0 }, nextQuestion };
}

const ANSWER = {
  epoch: 'e',
  rev: 1,
  synced: true,
  stale: false,
  entries: { [A]: web },
  gone: [],
  reset: true,
  nextPollMs: 1000,
};

t.test('an answer that comes after the caller went on is taken in', async (t) => {
  const controller = await slowController(t);
  await using agent = namesOf(controller).names;
  const deadline = new AbortController();
  const resolved = agent.resolve([A], { signal: deadline.signal });
  const { question, response } = await controller.nextQuestion();
  t.strictSame(question, { node: 'node-a', have: [], want: [A] });
  deadline.abort();
  await resolved;
  t.equal(agent.identityOf(A), undefined);

  const next = agent.resolve([A], never);
  response.end(JSON.stringify(ANSWER));
  await next;
  t.strictSame(agent.identityOf(A), web);
});

t.test(
  'one question is on its way at a time, and a caller waits no longer than it wants',
  async (t) => {
    const controller = await slowController(t);
    await using agent = namesOf(controller).names;
    const first = agent.resolve([A], never);
    const { response } = await controller.nextQuestion();
    await agent.resolve(['10.1.0.12'], { signal: AbortSignal.timeout(5) });
    await agent.resolve(['10.1.0.12'], { signal: AbortSignal.abort() });
    const second = agent.resolve(['10.1.0.12'], never);
    const following = controller.nextQuestion();
    response.end(JSON.stringify(ANSWER));
    await first;
    const { question, response: last } = await following;
    t.strictSame(question.want, ['10.1.0.12']);
    last.end(JSON.stringify({ ...ANSWER, entries: {} }));
    await second;
    t.match(agent.mapping, { unresolvedAddresses: 1, failures: 0 });
  },
);

t.test('an agent that ends does not wait for its answer, nor complain', async (t) => {
  const controller = await slowController(t);
  const { names, lines } = namesOf(controller);
  const resolved = names.resolve([A], never);
  await controller.nextQuestion();
  await names[Symbol.asyncDispose]();
  await resolved;
  t.strictSame(lines, []);
});

const addresses = ['10.0.0.1', '10.0.0.2', '10.1.0.1', 'fd00::1'];
const identity = fc.constantFrom('one', 'two').map((name): Identity => ({ type: 'pod', name }));
const content = fc.record({
  claims: fc.array(
    fc.record({ address: fc.constantFrom(...addresses), rank: fc.constant(RANK.pod), identity }),
  ),
  range: fc.option(identity),
});
const step = fc.oneof(
  fc.record({ kind: fc.constant('reload'), content }),
  fc.record({ kind: fc.constant('resolve'), asked: fc.subarray(addresses) }),
  fc.record({ kind: fc.constant('wait'), ms: fc.nat(6 * MINUTE_MS) }),
  fc.record({ kind: fc.constantFrom('restart', 'outage', 'converge') }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A controller, an agent that asks it, and all that can happen to them. */
class World {
  readonly #controller: Loopback;
  readonly #agent: ControllerNames;
  #content: typeof content extends fc.Arbitrary<infer T> ? T : never = { claims: [], range: null };

  constructor(controller: Loopback, agent: ControllerNames) {
    this.#controller = controller;
    this.#agent = agent;
  }

  async run(happening: Step): Promise<void> {
    switch (happening.kind) {
      case 'reload':
        this.#content = happening.content;
        this.#load();
        break;
      case 'resolve':
        await this.#resolve(happening.asked);
        break;
      case 'wait':
        this.#controller.clock.nowMs += happening.ms;
        break;
      case 'restart':
        await this.#controller.stop();
        await this.#start();
        break;
      case 'outage':
        await this.#controller.stop();
        this.#controller.clock.nowMs += MINUTE_MS;
        await this.#resolve(addresses);
        await this.#start();
        break;
      case 'converge':
        // All that is unknown is due after half of the longest interval, for the random 0.
        this.#controller.clock.nowMs += 5 * MINUTE_MS;
        await this.#resolve(addresses);
        this.#controller.clock.nowMs += MINUTE_MS;
        await this.#resolve(addresses);
        for (const address of addresses) {
          const truth = this.#controller.inventory.identityOf(address);
          deepStrictEqual(this.#agent.identityOf(address), truth);
        }
    }
  }

  /** Whatever is answered: what did not change stays the same object. */
  async #resolve(asked: readonly string[]): Promise<void> {
    const before = addresses.map((address) => this.#agent.identityOf(address));
    await this.#agent.resolve(asked, never);
    const changed = addresses.filter(
      (address, at) => this.#agent.identityOf(address) !== before[at],
    );
    for (const address of changed) {
      const old = before[addresses.indexOf(address)];
      notDeepStrictEqual(this.#agent.identityOf(address), old);
    }
  }

  async #start(): Promise<void> {
    await this.#controller.start();
    this.#load();
  }

  #load(): void {
    const { claims, range } = this.#content;
    this.#controller.inventory.put('file', claims);
    this.#controller.inventory.replaceCidrs(range ? [[parseCidr('10.0.0.0/16'), range]] : []);
  }
}

t.test(
  'after two resolves the agent knows what the controller does, whatever happened',
  async (t) => {
    let converged = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (happenings) => {
        await using controller = new Loopback();
        await controller.start();
        await using agent = namesOf(controller).names;
        const world = new World(controller, agent);
        for (const happening of happenings) await world.run(happening);
        await world.run({ kind: 'converge' });
        if (addresses.some((address) => agent.identityOf(address) !== undefined)) converged++;
      }),
      { numRuns: 100 },
    );
    t.ok(converged > 10, 'there was something to know');
  },
);

async function closedPort(): Promise<string> {
  const server = createHttpServer();
  const { url } = await listening(server);
  server.close();
  await once(server, 'close');
  return url;
}

import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { ControllerNames, type ControllerNamesOptions } from '../../src/agent/controller-names.ts';
import { RANK } from '../../src/inventory/claim.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { ADDRESSES_MAX } from '../../src/inventory/wire.ts';
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

interface Controller {
  readonly url: string;
  readonly clock: { nowMs: number };
}

/** The names of an agent, and what became of its questions. */
function namesOf({ url, clock }: Controller, rest: Partial<ControllerNamesOptions> = {}) {
  const { log, lines } = capturedLog();
  const outcomes: string[] = [];
  const names = new ControllerNames({
    url,
    nodeName: 'node-a',
    log,
    observer: {
      answered: () => outcomes.push('answered'),
      unanswered: (reason) => outcomes.push(reason),
    },
    now: () => clock.nowMs,
    random: () => 0,
    ...rest,
  });
  return { names, lines, outcomes };
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
    lastAnswerMs: 42,
  });
});

t.test('who had an address before is known as long as the controller says so', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  const api = { type: 'pod', name: 'api-0' } as const;
  controller.inventory.put('a', [{ address: A, rank: RANK.pod, identity: web, startedAtMs: 1 }]);
  const { names } = namesOf(controller);
  await using agent = names;
  await agent.resolve([A], never);
  t.strictSame([...agent.takeovers()], []);
  controller.inventory.remove('a');
  controller.inventory.put('b', [{ address: A, rank: RANK.pod, identity: api, startedAtMs: 9 }]);
  controller.clock.nowMs = MINUTE_MS;
  await agent.resolve([A], never);
  t.strictSame(agent.identityOf(A), api);
  t.strictSame([...agent.takeovers()], [[A, { sinceMs: 9, previous: web }]]);
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
  const { names, outcomes } = namesOf(controller);
  await using agent = names;
  await agent.resolve(addresses, never);
  t.equal(agent.mapping.unresolvedAddresses, 0);
  t.strictSame(outcomes, ['answered', 'answered', 'answered']);
});

t.test('while the controller is away the last names stay, and that is said once', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  controller.inventory.put('a', [{ address: A, rank: RANK.pod, identity: web }]);
  const { names, lines, outcomes } = namesOf(controller);
  await using agent = names;
  await agent.resolve([A], never);
  await controller.stop();
  for (let minute = 1; minute <= 2; minute++) {
    controller.clock.nowMs += MINUTE_MS;
    await agent.resolve([A], never);
    t.match(agent.mapping, { up: false, lastAnswerMs: 0 });
  }
  t.strictSame(agent.identityOf(A), web);
  t.match(lines, [{ level: 40, err: { message: /ECONNREFUSED/ }, url: controller.url }]);

  await controller.start();
  controller.clock.nowMs += MINUTE_MS;
  await agent.resolve([A], never);
  t.match(agent.mapping, { up: true, unresolvedAddresses: 1 });
  t.strictSame(outcomes, ['answered', 'connection', 'connection', 'answered']);
  t.match(lines.slice(1), [{ level: 30, msg: 'Controller answers again' }]);
});

t.test(
  'after failures it backs off for 1 to 60 seconds, and resolve() returns at once',
  async (t) => {
    const clock = { nowMs: 0 };
    const gone = { url: await closedPort(), clock };
    const { names, outcomes } = namesOf(gone, { random: () => 1 });
    await using agent = names;
    let failures = 0;
    for (const backoffSeconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      await agent.resolve([A], never);
      t.equal(outcomes.length, ++failures);
      clock.nowMs += 1000 * backoffSeconds - 1;
      await agent.resolve([A], never);
      t.equal(outcomes.length, failures);
      clock.nowMs += 1;
    }
  },
);

t.test(
  'it asks when the controller wants to be asked again, and a random time later',
  async (t) => {
    for (const [random, backoffMs] of [
      [0, 5000],
      [0.5, 5500],
    ] as const) {
      await using controller = new Loopback();
      await controller.start();
      controller.state.synced = false;
      const { names, outcomes } = namesOf(controller, { random: () => random });
      await using agent = names;
      await agent.resolve([A], never);
      controller.clock.nowMs = backoffMs - 1;
      await agent.resolve([A], never);
      t.strictSame(outcomes, ['unavailable']);
      controller.clock.nowMs = backoffMs;
      await agent.resolve([A], never);
      t.strictSame(outcomes, ['unavailable', 'unavailable']);
    }
  },
);

t.test('who was told when to come back does so before the next poll', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  controller.inventory.put('a', [{ address: A, rank: RANK.pod, identity: web }]);
  controller.state.synced = false;
  const waits: { readonly ms: number; readonly end: () => void }[] = [];
  const delay = async (ms: number) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waits.push({ ms, end: resolve });
    return promise;
  };
  const { names, outcomes } = namesOf(controller, { random: () => 0.5, delay });
  await using agent = names;
  await agent.resolve([A], never);
  t.equal(waits[0]?.ms, 5500);
  controller.clock.nowMs = 5500;
  waits[0]?.end();
  while (waits.length < 2) await new Promise(setImmediate);
  t.equal(waits[1]?.ms, 6000);
  controller.state.synced = true;
  controller.clock.nowMs += 6000;
  waits[1]?.end();
  while (agent.identityOf(A) === undefined) await new Promise(setImmediate);
  t.strictSame(outcomes, ['unavailable', 'unavailable', 'answered']);
  t.equal(waits.length, 2);
});

t.test('a controller that is away is asked again at the next poll, not before', async (t) => {
  const gone = { url: await closedPort(), clock: { nowMs: 0 } };
  const delay = async () => void t.fail('it has not said when to come back');
  const { names, outcomes } = namesOf(gone, { delay });
  await using agent = names;
  await agent.resolve([A], never);
  t.strictSame(outcomes, ['connection']);
});

t.test(
  'a poll that comes before the time it was told asks nothing, and nothing twice',
  async (t) => {
    await using controller = new Loopback();
    await controller.start();
    controller.state.synced = false;
    const { promise: time, resolve: come } = Promise.withResolvers<void>();
    const { names, outcomes } = namesOf(controller, { delay: async () => time });
    await using agent = names;
    await agent.resolve([A], never);
    controller.state.synced = true;
    controller.clock.nowMs = 4999;
    await agent.resolve([A], never);
    t.strictSame(outcomes, ['unavailable']);
    controller.clock.nowMs = 5000;
    await agent.resolve([A], never);
    come();
    await new Promise(setImmediate);
    t.strictSame(outcomes, ['unavailable', 'answered']);
  },
);

t.test('an agent with nothing to ask still hears whether the controller is well', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  const { names, outcomes } = namesOf(controller);
  await using agent = names;
  await agent.resolve([], never);
  t.match(agent.mapping, { up: true, lastAnswerMs: 0, unresolvedAddresses: 0 });
  controller.clock.nowMs = 899;
  await agent.resolve([], never);
  t.strictSame(outcomes, ['answered'], 'no more often than it is to be asked');
  controller.clock.nowMs = 900;
  await agent.resolve([], never);
  t.strictSame(outcomes, ['answered', 'answered']);
});

t.test(
  'after an hour without an answer a pod is unknown, a node or a service is not',
  async (t) => {
    await using controller = new Loopback();
    await controller.start();
    const owners = { [A]: 'pod', '10.1.0.12': 'node', '10.1.0.13': 'service' } as const;
    for (const [address, type] of Object.entries(owners)) {
      const identity = { type, name: type };
      const claim = { address, rank: RANK.pod, identity };
      controller.inventory.put(address, [claim]);
    }
    await using agent = namesOf(controller).names;
    controller.inventory.remove(A);
    const known = () => Object.keys(owners).map((address) => agent.identityOf(address)?.name);
    await agent.resolve(Object.keys(owners), never);
    await controller.stop();
    controller.clock.nowMs = 60 * MINUTE_MS;
    t.strictSame(known(), ['pod', 'node', 'service']);
    t.ok(agent.hasEnded(A));
    controller.clock.nowMs++;
    t.strictSame(known(), [undefined, 'node', 'service']);
    t.notOk(agent.hasEnded(A), 'it may be somebody else by now');
    t.equal(agent.mapping.unresolvedAddresses, 1);
  },
);

t.test('what the controller knows may be outdated: that is said once, and shown', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  const { names, lines } = namesOf(controller);
  await using agent = names;
  for (const stale of [false, true, true, false, true]) {
    controller.state.stale = stale;
    controller.clock.nowMs += MINUTE_MS;
    await agent.resolve([A], never);
    t.match(agent.mapping, { up: true, stale });
  }
  const message = /source is away/;
  t.match(lines, [
    { level: 40, msg: message },
    { level: 40, msg: message },
  ]);
  t.equal(lines.length, 2);
});

t.test('a token that cannot be read fails questions, which is said once', async (t) => {
  await using controller = new Loopback();
  await controller.start();
  controller.inventory.put('a', [{ address: A, rank: RANK.pod, identity: web }]);
  const token = join(t.testdir({ token: 'secret' }), 'token');
  const { names, lines, outcomes } = namesOf(controller, { credentials: { token } });
  await using agent = names;
  await agent.resolve([A], never);
  await rename(token, `${token}.gone`);
  for (let minute = 1; minute <= 2; minute++) {
    controller.clock.nowMs += MINUTE_MS;
    await agent.resolve([A], never);
  }
  t.match(lines, [{ level: 40, err: { message: /Cannot read .*token: ENOENT/ } }]);
  t.equal(lines.length, 1);
  t.notMatch(JSON.stringify(lines), 'secret');
  t.strictSame(agent.identityOf(A), web);
  await rename(`${token}.gone`, token);
  controller.clock.nowMs += MINUTE_MS;
  await agent.resolve([A], never);
  t.strictSame(outcomes, ['answered', 'credentials', 'credentials', 'answered']);
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

const TEN = Array.from({ length: 10 }, (_, at) => `10.1.0.${at}`);

/** Answers the next question with a status other than 200, or with all that it wants. */
async function answerNext(
  controller: Awaited<ReturnType<typeof slowController>>,
  { status = 200, body = {} }: { readonly status?: number; readonly body?: object } = {},
): Promise<readonly string[]> {
  const { question, response } = await controller.nextQuestion();
  const want: readonly string[] = question.want;
  const entries = Object.fromEntries(want.map((address) => [address, web]));
  const content = status === 200 ? { ...ANSWER, reset: false, entries } : body;
  response.writeHead(status).end(JSON.stringify(content));
  return want;
}

t.test('what is too much for a controller is asked in smaller questions', async (t) => {
  const controller = await slowController(t);
  const { names, outcomes, lines } = namesOf(controller);
  await using agent = names;
  const resolved = agent.resolve(TEN, never);
  await answerNext(controller, { status: 413, body: { addressesMax: 6 } });
  t.strictSame(await answerNext(controller), TEN.slice(0, 6));
  await answerNext(controller, { status: 413, body: { bodyBytesMax: 99 } });
  t.strictSame(await answerNext(controller), TEN.slice(6, 8));
  t.strictSame(await answerNext(controller), TEN.slice(8));
  await resolved;
  t.equal(agent.mapping.unresolvedAddresses, 0);
  t.strictSame(outcomes, ['refused', 'answered', 'refused', 'answered', 'answered']);
  t.strictSame(lines, [], 'nothing failed');
});

t.test('a controller that finds one address too much has failed', async (t) => {
  const controller = await slowController(t);
  await using agent = namesOf(controller).names;
  const resolved = agent.resolve(TEN.slice(0, 2), never);
  await answerNext(controller, { status: 413 });
  await answerNext(controller, { status: 413 });
  await resolved;
  t.equal(agent.mapping.up, false);
});

t.test('a question that fails takes no answers with it', async (t) => {
  const controller = await slowController(t);
  await using agent = namesOf(controller).names;
  const resolved = agent.resolve(TEN, never);
  await answerNext(controller, { status: 413, body: { addressesMax: 4 } });
  await answerNext(controller);
  await answerNext(controller, { status: 500 });
  await resolved;
  t.match(agent.mapping, { up: false, unresolvedAddresses: 6 });
  const again = agent.resolve(TEN, never);
  t.strictSame(await answerNext(controller), TEN.slice(4, 8), 'only what is missing');
  await answerNext(controller);
  await again;
  t.match(agent.mapping, { up: true, unresolvedAddresses: 0 });
});

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
    const { names, outcomes } = namesOf(controller);
    await using agent = names;
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
    t.equal(agent.mapping.unresolvedAddresses, 1);
    t.strictSame(outcomes, ['answered', 'answered']);
  },
);

t.test('an agent that ends does not wait for its answer, nor complain', async (t) => {
  const controller = await slowController(t);
  const { names, lines, outcomes } = namesOf(controller);
  const resolved = names.resolve([A], never);
  await controller.nextQuestion();
  await names[Symbol.asyncDispose]();
  await resolved;
  t.strictSame(lines, []);
  t.strictSame(outcomes, []);
});

async function closedPort(): Promise<string> {
  const server = createHttpServer();
  const { url } = await listening(server);
  server.close();
  await once(server, 'close');
  return url;
}

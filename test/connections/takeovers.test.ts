import t from 'tap';
import type { Edge, Endpoint } from '../../src/connections/edge.ts';
import { Ledger } from '../../src/connections/ledger.ts';
import type { Snapshot } from '../../src/connections/snapshot.ts';
import { Tally } from '../../src/connections/tally.ts';
import type { Identity, Takeover } from '../../src/inventory/identity.ts';
import { entryOf, flow, flow6, type Flow } from '../builders/flow.ts';
import { NO_TIMEOUTS } from '../builders/counting.ts';
import { countsOf } from '../builders/series.ts';

const BEGAN_MS = 1_790_000_000_000;
const A: Identity = { type: 'pod', name: 'a', node: 'node-a' };
const B: Identity = { type: 'pod', name: 'b', node: 'node-b' };
const C: Identity = { type: 'pod', name: 'c', node: 'node-a' };
const DB: Identity = { type: 'pod', name: 'db', node: 'node-a' };
const CLIENT = '10.1.0.11';
const SERVER = '10.1.0.22';

interface Names {
  readonly owners: Readonly<Record<string, Identity>>;
  readonly takeovers?: Readonly<Record<string, Takeover>>;
}

/** A tally and a ledger, with a table and names that the test says. */
class Agent {
  readonly #tally = new Tally({ seed: 1 });
  readonly #ledger = new Ledger<object>({
    nodeName: 'node-a',
    seriesMax: 100,
    seriesTtlMs: 60_000,
    exclude: [],
    signals: [],
    describe: ({ source, destination, primary }: Edge) => ({
      edge: `${nameOf(source)} > ${nameOf(destination)}`,
      primary,
    }),
    describeOverflow: (primary) => ({ primary }),
  });
  #takenAtMs = BEGAN_MS;
  divisions = 0;

  /** Opened, closed and active by edge. */
  cycle(flows: readonly Flow[], { owners, takeovers = {} }: Names): Record<string, string> {
    this.#tally.begin(NO_TIMEOUTS);
    for (const one of flows) this.#tally.add(entryOf(one));
    const takenAtMs = (this.#takenAtMs += 1000);
    const snapshot: Snapshot = {
      ...this.#tally.finish({ takenAtMs }),
      available: true,
      takenAtMs,
      durationMs: 0,
      malformed: 0,
      repeated: 0,
      tableEntries: 0,
      tableLimit: undefined,
      statistics: undefined,
      localAddresses: [],
    };
    Array.from(this.#ledger.begin(snapshot));
    const news = this.#ledger.takeOver(Object.entries(takeovers));
    if (news.length > 0) {
      this.divisions++;
      Array.from(this.#ledger.amend(this.#tally.divide(news)));
    }
    Array.from(this.#ledger.rename((address) => owners[address]));
    const series = Array.from(this.#ledger.commit().series, (one) => {
      const { edge, primary } = Object(one.labels);
      const { opened, closed, active } = countsOf(one);
      const connections = active.values().reduce((sum, count) => sum + count, 0);
      const counts = `${opened} opened, ${closed} closed, ${connections} active`;
      return [edge, `${counts}${primary ? '' : ', not primary'}`] as const;
    });
    return Object.fromEntries(series);
  }
}

function nameOf({ identity, address }: Endpoint): string {
  return identity?.name ?? address;
}

/** Of the client, begun that many seconds after the first. */
function connection(port: number, second: number, different: Partial<Flow> = {}): Flow {
  const start = BigInt(BEGAN_MS + second * 1000) * 1_000_000n;
  return flow({ id: port, sourcePort: port, start, ...different });
}

const before: Names = { owners: { [CLIENT]: A, [SERVER]: DB } };
const after: Names = {
  owners: { [CLIENT]: B, [SERVER]: DB },
  takeovers: { [CLIENT]: { sinceMs: BEGAN_MS + 10_000, previous: A } },
};

t.test('what began before an address was taken over stays with its former owner', async (t) => {
  const agent = new Agent();
  agent.cycle([], before);
  const [first, second, third] = [connection(1, 1), connection(2, 9), connection(3, 10)];
  t.strictSame(agent.cycle([first], before), { 'a > db': '1 opened, 0 closed, 1 active' });
  t.strictSame(
    agent.cycle([first, second, third], after),
    {
      'a > db': '2 opened, 0 closed, 2 active',
      'b > db': '1 opened, 0 closed, 1 active, not primary',
    },
    'also what the same snapshot is the first to hold',
  );
  agent.cycle([first, second, third], after);
  t.equal(agent.divisions, 1, 'told once');
  t.strictSame(agent.cycle([second], after), {
    'a > db': '2 opened, 1 closed, 1 active',
    'b > db': '1 opened, 1 closed, 0 active, not primary',
  });
  t.strictSame(agent.cycle([connection(4, 11)], after), {
    'a > db': '2 opened, 2 closed, 0 active',
    'b > db': '2 opened, 1 closed, 1 active, not primary',
  });
});

t.test('an owner that has no connection has no series', async (t) => {
  const agent = new Agent();
  agent.cycle([connection(1, 1)], before);
  t.strictSame(agent.cycle([connection(1, 1)], after), {
    'a > db': '0 opened, 0 closed, 1 active',
  });
});

t.test('a baseline is divided like any other snapshot', async (t) => {
  const agent = new Agent();
  t.strictSame(agent.cycle([connection(1, 1), connection(2, 11)], after), {
    'a > db': '0 opened, 0 closed, 1 active',
    'b > db': '0 opened, 0 closed, 1 active, not primary',
  });
  t.strictSame(agent.cycle([], after), {
    'a > db': '0 opened, 0 closed, 0 active',
    'b > db': '0 opened, 0 closed, 0 active, not primary',
  });
});

t.test('an address may have many owners one after the other', async (t) => {
  const agent = new Agent();
  const third: Names = {
    owners: { [CLIENT]: C, [SERVER]: DB },
    takeovers: { [CLIENT]: { sinceMs: BEGAN_MS + 20_000, previous: B } },
  };
  agent.cycle([], before);
  agent.cycle([connection(1, 1)], before);
  agent.cycle([connection(1, 1), connection(2, 11)], after);
  const flows = [connection(1, 1), connection(2, 11), connection(3, 19), connection(4, 20)];
  const expected = {
    'a > db': '1 opened, 0 closed, 1 active',
    'b > db': '2 opened, 0 closed, 2 active, not primary',
    'c > db': '1 opened, 0 closed, 1 active',
  };
  t.strictSame(agent.cycle(flows, third), expected);
  t.strictSame(agent.cycle(flows, third), expected);
  t.equal(agent.divisions, 2);
});

t.test('it is the same for servers and backends, and for IPv6', async (t) => {
  const agent = new Agent();
  const names = (owner: Identity, takeover?: Takeover): Names => ({
    owners: { 'fd00:10::11': DB, 'fd00:10::22': owner, [SERVER]: owner, [CLIENT]: DB },
    ...(takeover && { takeovers: { 'fd00:10::22': takeover, [SERVER]: takeover } }),
  });
  const six = flow6({ start: BigInt(BEGAN_MS) * 1_000_000n });
  const behind = connection(7, 1, { destination: '10.96.0.10', backend: SERVER });
  agent.cycle([], names(A));
  const once = { 'db > a': '2 opened, 0 closed, 2 active' };
  const service = { 'db > 10.96.0.10': '1 opened, 0 closed, 1 active' };
  t.strictSame(agent.cycle([six, connection(1, 1), behind], names(A)), { ...service, ...once });
  const taken = names(B, { sinceMs: BEGAN_MS + 10_000, previous: A });
  t.match(agent.cycle([six, connection(1, 1), behind], taken), once);
  t.match(
    agent.cycle([six, connection(1, 1), behind, connection(2, 11)], taken),
    { ...once, 'db > b': '1 opened, 0 closed, 1 active' },
    'the names of the backend decide nothing here but which edge it is',
  );
});

t.test('an address is all of its words: another one that ends alike keeps its owner', async (t) => {
  const agent = new Agent();
  const [taken, other] = ['fd00:10::22', 'fd00:11::22'];
  const owners = { 'fd00:10::11': A, [taken]: B, [other]: C };
  const start = BigInt(BEGAN_MS) * 1_000_000n;
  const flows = [taken, other].map((destination, id) => flow6({ id, destination, start }));
  const takeovers = { [taken]: { sinceMs: BEGAN_MS + 10_000, previous: DB } };
  const counts = '0 opened, 0 closed, 1 active';
  t.strictSame(agent.cycle(flows, { owners, takeovers }), { 'a > db': counts, 'a > c': counts });
});

t.test('without the time at which connections began, the present owner has them', async (t) => {
  const agent = new Agent();
  const unknown = flow({ start: 0n });
  agent.cycle([unknown], before);
  t.strictSame(agent.cycle([unknown], after), {
    'a > db': '0 opened, 0 closed, 0 active',
    'b > db': '0 opened, 0 closed, 1 active, not primary',
  });
  t.equal(agent.divisions, 0, 'nothing is asked of a kernel that does not say');

  const mixed = connection(2, 1);
  t.strictSame(agent.cycle([unknown, mixed], after), {
    'a > db': '1 opened, 0 closed, 1 active',
    'b > db': '0 opened, 0 closed, 1 active, not primary',
  });
});

t.test('a takeover from nobody who is remembered divides nothing', async (t) => {
  const agent = new Agent();
  const unknown: Names = { ...after, takeovers: { [CLIENT]: { sinceMs: BEGAN_MS + 10_000 } } };
  t.strictSame(agent.cycle([connection(1, 1)], unknown), {
    'b > db': '0 opened, 0 closed, 1 active, not primary',
  });
});

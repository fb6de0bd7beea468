import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import t from 'tap';
import { RANK, type Claim } from '../../src/inventory/claim.ts';
import type { Identity, Ownership } from '../../src/inventory/identity.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { parseCidr } from '../../src/net/cidr.ts';

const DELETED_POD_MS = 5 * 60_000;
const HISTORY_MS = 15 * 60_000;
const ADDRESS = '10.1.0.11';
const web: Identity = { type: 'pod', namespace: 'shop', name: 'web-1' };
const api: Identity = { type: 'service', namespace: 'shop', name: 'api' };
const vpn: Identity = { type: 'network', name: 'office-vpn' };

function claim(identity: Identity, rest: Partial<Claim> = {}): Claim {
  return { address: ADDRESS, rank: RANK.pod, identity, ...rest };
}

function inventoryAt(clock: { nowMs: number }): Inventory {
  return new Inventory({ now: () => clock.nowMs });
}

t.test('each rank yields to the one before it, whichever claimed first', async (t) => {
  const ranks = Object.entries(RANK);
  t.strictSame(
    ranks.map(([name]) => name),
    [
      'pod',
      'serviceClusterIp',
      'nodeInternalIp',
      'nodeExternalIp',
      'announced',
      'loadBalancerIp',
      'externalIp',
      'podCidrGateway',
      'podCidrNetwork',
      'endpointSlice',
      'deletedPod',
    ],
  );
  for (const order of [ranks, ranks.toReversed()]) {
    const inventory = inventoryAt({ nowMs: 0 });
    for (const [name, rank] of order) inventory.put(name, [claim({ ...web, name }, { rank })]);
    for (const [name] of ranks.slice(0, -1)) {
      t.equal(inventory.identityOf(ADDRESS)?.name, name);
      inventory.put(name, []);
    }
    t.equal(inventory.identityOf(ADDRESS)?.name, 'deletedPod');
  }
});

t.test('equals are ordered by not being deleted, the later start, the smaller UID', async (t) => {
  const inventory = inventoryAt({ nowMs: 0 });
  inventory.put('c', [claim({ ...web, name: 'c' })]);
  inventory.put('b', [claim({ ...web, name: 'b' })]);
  t.equal(inventory.identityOf(ADDRESS)?.name, 'b');
  inventory.put('d', [claim({ ...web, name: 'd' }, { startedAtMs: 1 })]);
  inventory.put('e', [claim({ ...web, name: 'e' }, { startedAtMs: 2 })]);
  t.equal(inventory.identityOf(ADDRESS)?.name, 'e');
  inventory.put('e', [claim({ ...web, name: 'e' }, { startedAtMs: 2, deleting: true })]);
  t.equal(inventory.identityOf(ADDRESS)?.name, 'd');
});

t.test('deleting the old owner of a reused address leaves the new one', async (t) => {
  const inventory = inventoryAt({ nowMs: 0 });
  inventory.put('old', [claim(web)]);
  inventory.put('new', [claim({ ...web, name: 'web-2' })]);
  inventory.remove('old');
  t.equal(inventory.identityOf(ADDRESS)?.name, 'web-2');
});

t.test('of two claims of one object for one address the better counts', async (t) => {
  const inventory = inventoryAt({ nowMs: 0 });
  const node = claim({ type: 'node', name: 'a' }, { rank: RANK.nodeInternalIp });
  const gateway = claim({ type: 'gateway', name: 'a' }, { rank: RANK.podCidrGateway });
  inventory.put('node-a', [gateway, node, gateway]);
  t.equal(inventory.identityOf(ADDRESS)?.type, 'node');
});

t.test('a deleted pod keeps its address for five minutes unless somebody claims it', async (t) => {
  const clock = { nowMs: 0 };
  const inventory = inventoryAt(clock);
  inventory.put('a', [claim(web)]);
  inventory.remove('a');
  const { revision } = inventory;
  clock.nowMs = DELETED_POD_MS - 1;
  inventory.expire();
  t.equal(inventory.identityOf(ADDRESS), web);
  t.equal(inventory.revision, revision, 'nothing changed since');

  inventory.put('b', [claim(api, { rank: RANK.endpointSlice })]);
  t.equal(inventory.identityOf(ADDRESS), api);
  inventory.remove('b');
  t.equal(inventory.identityOf(ADDRESS), web);

  inventory.remove('a');
  clock.nowMs = DELETED_POD_MS;
  inventory.expire();
  t.equal(inventory.identityOf(ADDRESS), undefined);
  t.equal(inventory.size, 0);
});

t.test('a pod that comes back with its UID is no deleted pod any more', async (t) => {
  const clock = { nowMs: 0 };
  const inventory = inventoryAt(clock);
  inventory.put('a', [claim(web)]);
  inventory.remove('a');
  inventory.put('a', [claim(web)]);
  clock.nowMs = DELETED_POD_MS;
  inventory.expire();
  t.equal(inventory.identityOf(ADDRESS), web);
});

t.test('only what was held as a pod outlives the object', async (t) => {
  const inventory = inventoryAt({ nowMs: 0 });
  inventory.put('a', [claim(api, { rank: RANK.serviceClusterIp })]);
  inventory.remove('a');
  t.equal(inventory.identityOf(ADDRESS), undefined);
});

t.test('an address nobody claims belongs to the longest range that holds it', async (t) => {
  const inventory = inventoryAt({ nowMs: 0 });
  inventory.replaceCidrs([
    [parseCidr('10.0.0.0/8'), { type: 'network', name: 'inside' }],
    [parseCidr('10.1.0.0/16'), vpn],
  ]);
  t.equal(inventory.identityOf(ADDRESS)?.name, 'office-vpn');
  t.equal(inventory.identityOf('10.2.0.1')?.name, 'inside');
  t.equal(inventory.identityOf('192.0.2.1'), undefined);
  inventory.put('a', [claim(web)]);
  t.equal(inventory.identityOf(ADDRESS)?.name, 'web-1');
});

t.test('what says the same again changes no revision and stays the same object', async (t) => {
  const inventory = inventoryAt({ nowMs: 0 });
  inventory.put('a', [claim(web)]);
  inventory.replaceCidrs([[parseCidr('10.0.0.0/8'), vpn]]);
  const { revision } = inventory;
  inventory.put('a', [claim({ ...web }, { deleting: true })]);
  inventory.replaceCidrs([[parseCidr('10.0.0.0/8'), { ...vpn }]]);
  t.equal(inventory.revision, revision);
  t.equal(inventory.identityOf(ADDRESS), web);

  inventory.replaceCidrs([
    [parseCidr('10.0.0.0/8'), { ...vpn }],
    [parseCidr('10.2.0.0/16'), vpn],
  ]);
  t.equal(inventory.revision, revision + 1);
  t.equal(inventory.identityOf('10.9.9.9'), vpn);
});

t.test('what is older than the history cannot be asked for', async (t) => {
  const clock = { nowMs: 0 };
  const inventory = inventoryAt(clock);
  inventory.put('a', [claim(api, { rank: RANK.serviceClusterIp })]);
  inventory.remove('a');
  t.equal(inventory.revisionOf(ADDRESS), 2);
  clock.nowMs = HISTORY_MS - 1;
  inventory.expire();
  t.equal(inventory.historyStart, 0);
  clock.nowMs = HISTORY_MS;
  inventory.expire();
  t.equal(inventory.historyStart, 2);
  t.equal(inventory.revisionOf(ADDRESS), 2);
});

/** Few of everything, so that claims meet. */
const addresses = ['10.0.0.1', '10.0.0.2', '10.1.0.1'];
const uids = ['a', 'b', 'c', 'd'];
const identities = fc.constantFrom('one', 'two').map((name): Identity => ({ type: 'pod', name }));
const claims = fc.array(
  fc.record({
    address: fc.constantFrom(...addresses),
    rank: fc.constantFrom(RANK.pod, RANK.serviceClusterIp, RANK.podCidrGateway),
    identity: identities,
    deleting: fc.boolean(),
    startedAtMs: fc.nat(2),
  }),
  { maxLength: 3 },
);
const cidrs = fc.uniqueArray(
  fc.tuple(fc.constantFrom('10.0.0.0/8', '10.0.0.0/24').map(parseCidr), identities),
  { selector: ([cidr]) => cidr.text },
);
const events = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.tuple(fc.constant('put'), fc.constantFrom(...uids), claims) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('remove'), fc.constantFrom(...uids)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('cidrs'), cidrs) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('wait'), fc.nat(2 * DELETED_POD_MS)) },
  ),
  { maxLength: 40 },
);

type Event = typeof events extends fc.Arbitrary<(infer T)[]> ? T : never;

function apply(inventory: Inventory, clock: { nowMs: number }, event: Event): void {
  switch (event[0]) {
    case 'put':
      inventory.put(event[1], event[2]);
      break;
    case 'remove':
      inventory.remove(event[1]);
      break;
    case 'cidrs':
      inventory.replaceCidrs(event[1]);
      break;
    case 'wait':
      clock.nowMs += event[1];
      inventory.expire();
      break;
  }
}

const ownersIn = (inventory: Inventory): (Identity | undefined)[] =>
  addresses.map((address) => inventory.identityOf(address));

t.test('any order of events gives the same map as a rebuild from what is left', async () => {
  fc.assert(
    fc.property(events, fc.shuffledSubarray(uids, { minLength: uids.length }), (history, order) => {
      const clock = { nowMs: 0 };
      const inventory = inventoryAt(clock);
      const claimsOf = new Map<string, readonly Claim[]>();
      const deletedAtMs = new Map<string, number>();
      let ranges: Extract<Event, ['cidrs', unknown]>[1] = [];
      for (const event of history) {
        apply(inventory, clock, event);
        if (event[0] === 'put') {
          claimsOf.set(event[1], event[2]);
          deletedAtMs.delete(event[1]);
        }
        if (event[0] === 'remove' && !deletedAtMs.has(event[1])) {
          deletedAtMs.set(event[1], clock.nowMs);
        }
        if (event[0] === 'cidrs') ranges = event[1];
      }

      const rebuildClock = { nowMs: 0 };
      const rebuilt = inventoryAt(rebuildClock);
      rebuilt.replaceCidrs(ranges);
      for (const uid of order) rebuilt.put(uid, claimsOf.get(uid) ?? []);
      for (const [uid, timeMs] of [...deletedAtMs].toSorted((a, b) => a[1] - b[1])) {
        rebuildClock.nowMs = timeMs;
        rebuilt.remove(uid);
      }
      rebuildClock.nowMs = clock.nowMs;
      rebuilt.expire();
      return isDeepStrictEqual(ownersIn(inventory), ownersIn(rebuilt));
    }),
    { numRuns: 1000 },
  );
});

function ownershipsIn(inventory: Inventory) {
  return addresses.map((address) => inventory.ownershipOf(address));
}

/** That somebody who held the address before is forgotten is none. */
function isNews(after: Ownership | undefined, before: Ownership | undefined): boolean {
  const { previous: _, ...others } = before ?? {};
  const compared = after?.previous === undefined ? others : before;
  return !isDeepStrictEqual(after ?? {}, compared ?? {});
}

t.test(
  'a revision of an address grows when there is news of its owner, and only then',
  async () => {
    fc.assert(
      fc.property(events, (history) => {
        const clock = { nowMs: 0 };
        const inventory = inventoryAt(clock);
        for (const event of history) {
          const before = addresses.map((address) => inventory.revisionOf(address));
          const owners = ownershipsIn(inventory);
          const { revision, historyStart } = inventory;
          apply(inventory, clock, event);
          const after = addresses.map((address) => inventory.revisionOf(address));
          for (const [at, owner] of ownershipsIn(inventory).entries()) {
            const grown = (after[at] ?? 0) > revision;
            const changed = isNews(owner, owners[at]);
            if ((after[at] ?? 0) < (before[at] ?? 0) || (changed && !grown)) return false;
            // The ranges have one revision for all addresses that live by them.
            if (grown && !changed && event[0] !== 'cidrs') return false;
          }
          if (inventory.historyStart < historyStart || inventory.revision < revision) return false;
        }
        return true;
      }),
      { numRuns: 1000 },
    );
  },
);

t.test(
  'who knows all as of any revision in the history learns all that changed since',
  async () => {
    fc.assert(
      fc.property(events, fc.nat(40), (history, at) => {
        const clock = { nowMs: 0 };
        const inventory = inventoryAt(clock);
        for (const event of history.slice(0, at)) apply(inventory, clock, event);
        const since = inventory.revision;
        const view = ownersIn(inventory);
        for (const event of history.slice(at)) apply(inventory, clock, event);
        if (since < inventory.historyStart) return true;
        if (
          addresses.some(
            (each) => inventory.hasChanged(each, since) !== inventory.revisionOf(each) > since,
          )
        )
          return false;
        const updated = addresses.map((address, index) =>
          inventory.hasChanged(address, since) ? inventory.identityOf(address) : view[index],
        );
        return JSON.stringify(updated) === JSON.stringify(ownersIn(inventory));
      }),
      { numRuns: 1000 },
    );
  },
);

function held(name: string, startedAtMs: number) {
  return [claim({ type: 'pod', name }, { startedAtMs })];
}

t.test('who took an address over, since when and from whom, is told', async (t) => {
  const clock = { nowMs: 10_000 };
  const inventory = inventoryAt(clock);
  t.equal(inventory.ownershipOf(ADDRESS), undefined);
  inventory.put('a', held('a', 1000));
  inventory.put('b', held('b', 2000));
  t.match(inventory.ownershipOf(ADDRESS), { identity: { name: 'b' }, sinceMs: 2000 });
  t.equal(
    inventory.ownershipOf(ADDRESS)?.previous,
    undefined,
    'it lives, and holds the address too',
  );
  inventory.remove('a');
  clock.nowMs += 1000;
  inventory.remove('b');
  t.match(inventory.ownershipOf(ADDRESS), { identity: { name: 'b' } });
  t.equal(inventory.ownershipOf(ADDRESS)?.previous, undefined, 'the last one to be deleted');
  inventory.put('c', held('c', 11_500));
  t.match(inventory.ownershipOf(ADDRESS), {
    identity: { name: 'c' },
    sinceMs: 11_500,
    previous: { name: 'b' },
  });
  const revision = inventory.revisionOf(ADDRESS);
  clock.nowMs += 5 * 60_000;
  inventory.expire();
  t.equal(inventory.ownershipOf(ADDRESS)?.previous, undefined);
  t.equal(inventory.revisionOf(ADDRESS), revision, 'no news');
});

t.test('of two that ended at once the later is told, until it is forgotten', async (t) => {
  const clock = { nowMs: 1000 };
  const inventory = inventoryAt(clock);
  for (const name of ['c', 'd', 'a']) inventory.put(name, held(name, 0));
  inventory.remove('d');
  inventory.remove('a');
  t.match(inventory.ownershipOf(ADDRESS), { identity: { name: 'c' }, previous: { name: 'a' } });
  const revision = inventory.revisionOf(ADDRESS);
  clock.nowMs += 5 * 60_000;
  inventory.expire();
  t.equal(inventory.ownershipOf(ADDRESS)?.previous, undefined);
  t.equal(inventory.revisionOf(ADDRESS), revision, 'no news');
});

t.test(
  'that a pod has ended is told, and is news, until somebody else has its address',
  async (t) => {
    const clock = { nowMs: 10_000.7 };
    const inventory = inventoryAt(clock);
    inventory.put('a', [claim(web)]);
    const alive = inventory.revisionOf(ADDRESS);
    t.equal(inventory.ownershipOf(ADDRESS)?.endedMs, undefined);
    inventory.remove('a');
    t.strictSame(inventory.ownershipOf(ADDRESS), { identity: web, endedMs: 10_000 });
    const ended = inventory.revisionOf(ADDRESS);
    t.ok(ended > alive);

    inventory.put('b', [claim(api, { rank: RANK.endpointSlice })]);
    t.strictSame(inventory.ownershipOf(ADDRESS), { identity: api, previous: web });
    inventory.remove('b');
    t.equal(inventory.ownershipOf(ADDRESS)?.endedMs, 10_000);
    inventory.put('a', [claim(web)]);
    t.strictSame(inventory.ownershipOf(ADDRESS), { identity: web }, 'it was not the end');
    t.ok(inventory.revisionOf(ADDRESS) > ended);

    inventory.put('c', [claim(api, { rank: RANK.serviceClusterIp })]);
    inventory.remove('c');
    inventory.remove('a');
    clock.nowMs += DELETED_POD_MS;
    inventory.expire();
    t.equal(inventory.ownershipOf(ADDRESS), undefined, 'a service that is deleted has nothing');
  },
);

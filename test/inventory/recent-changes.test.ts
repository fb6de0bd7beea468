import * as fc from 'fast-check';
import t from 'tap';
import { RecentChanges } from '../../src/inventory/recent-changes.ts';

const ADDRESSES = 20_000;
const CHANGES = 60_000;

t.test('what changed lately is known, whatever was forgotten of it', async (t) => {
  const recent = new RecentChanges();
  const revisions = new Uint32Array(ADDRESSES);
  for (let revision = 1; revision <= CHANGES; revision++) {
    // 7919 is prime: all of them have their turn, in an order that is not their own.
    const address = (revision * 7919) % ADDRESSES;
    revisions[address] = revision;
    recent.note(address, revision);
  }
  t.equal(recent.hasChanged(1, 0), undefined, 'too long ago');
  fc.assert(
    fc.property(fc.nat(ADDRESSES - 1), fc.nat(CHANGES), (address, since) => {
      const changed = recent.hasChanged(address, since);
      if (changed === undefined) return since < CHANGES - 16_384;
      return changed === revisions[address]! > since;
    }),
    { numRuns: 5000 },
  );
});

t.test('an address that has never changed has not', async (t) => {
  const recent = new RecentChanges();
  t.equal(recent.hasChanged('fd00::1', 0), false);
  recent.note('fd00::1', 1);
  t.equal(recent.hasChanged('fd00::1', 0), true);
  t.equal(recent.hasChanged('fd00::1', 1), false);
});

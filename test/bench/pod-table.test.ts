import * as fc from 'fast-check';
import t from 'tap';
import { PodTable, podName, type Pod } from './pod-table.ts';

const counts = fc.record({
  pods: fc.integer({ min: 1, max: 2000 }),
  replaced: fc.integer({ min: 0, max: 500 }),
});

function tableAfter({ pods, replaced }: { pods: number; replaced: number }): PodTable {
  const table = new PodTable(pods);
  for (let turn = 0; turn < replaced; turn++) table.replaceNext();
  return table;
}

function podsOf(table: PodTable): Pod[] {
  return Array.from({ length: table.pods }, (_, replica) => table.podOf(replica));
}

t.test('every address belongs to one pod at most, whatever has been replaced', async () => {
  fc.assert(
    fc.property(counts, (count) => {
      const slots = podsOf(tableAfter(count)).map(({ slot }) => slot);
      return new Set(slots).size === count.pods;
    }),
  );
});

t.test('every pod runs on exactly one node', async () => {
  fc.assert(
    fc.property(counts, (count) => {
      const table = tableAfter(count);
      const found = Array.from({ length: table.nodes }, (_, node) =>
        [...table.on(node)].filter((pod) => table.nodeOf(pod) === node),
      ).flat();
      return found.length === count.pods && new Set(found.map(podName)).size === count.pods;
    }),
  );
});

t.test('a pod that was replaced is the last at its address until that is used again', async (t) => {
  const table = new PodTable(100);
  const { old, next } = table.replaceNext();
  t.strictSame(table.podOf(old.replica), next);
  t.strictSame(table.lastAt(old.slot), old);
  t.equal(podName(next), 'app-0-6d4f9c7b8-100');
  const second = table.replaceNext();
  t.equal(table.replaceNext().next.slot, old.slot, 'the address that is free for the longest');
  t.equal(table.lastAt(old.slot)?.serial, 102);
  t.not(second.next.slot, next.slot);
});

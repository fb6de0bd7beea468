import type { SavedLedger } from '../../src/connections/saved-ledger.ts';

/** As a file gives it back. */
export function throughJson(saved: SavedLedger<object>): SavedLedger<object> {
  const { owners, formerOwners, series } = saved;
  const lists = { owners: [...owners], formerOwners: [...formerOwners], series: [...series] };
  return JSON.parse(JSON.stringify({ ...saved, ...lists }));
}

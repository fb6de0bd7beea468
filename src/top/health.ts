import type { AgentState } from './agents.ts';
import { plain } from './cell.ts';
import { age } from './columns.ts';
import type { Health } from './reading.ts';

interface Known extends Health {
  readonly title: string;
}

/** How the agents and their tables do, in one line: of many, the worst. */
export function healthText(agents: readonly AgentState[], nowMs: number): string {
  const known: readonly Known[] = agents.flatMap(({ name, reading }) =>
    reading === undefined ? [] : [{ ...reading.health, title: plain(reading.health.node ?? name) }],
  );
  const isOne = known.length === 1;
  const of = ({ title }: Known): string => (isOne ? '' : `${title} `);
  const fullest = worst(known, use);
  const oldest = worst(known, ({ takenAtMs }) => takenAtMs && -takenAtMs);
  const stale = known.filter(({ isMappingStale }) => isMappingStale === true);
  const failed = known.reduce((sum, { failedCycles = 0 }) => sum + failedCycles, 0);
  const parts = [
    isOne ? (known[0]?.title ?? '') : `${known.length} nodes`,
    fullest && `${isOne ? 'table' : 'fullest table'} ${of(fullest)}${tableText(fullest)}`,
    oldest?.takenAtMs === undefined
      ? 'no snapshot yet'
      : // Two clocks: what is not yet is now.
        `${isOne ? 'snapshot' : 'oldest snapshot'} ${of(oldest)}${age((nowMs - oldest.takenAtMs) / 1000)} old`,
    failed > 0 && `${failed} ${failed === 1 ? 'cycle' : 'cycles'} failed`,
    stale.length > 0 && `names stale${isOne ? '' : ` on ${stale.length}`}`,
  ];
  return parts.filter(Boolean).join(' · ');
}

/** Why what is shown may be outdated; undefined when all agents answer. */
export function faultText(agents: readonly AgentState[]): string | undefined {
  const faults = agents.flatMap(({ fault }) => (fault === undefined ? [] : [plain(fault.message)]));
  const [first] = faults;
  return faults.length > 1 ? `${first} (and ${faults.length - 1} more)` : first;
}

function tableText({ entries = 0, limit }: Health): string {
  if (limit === undefined) return `${entries} entries`;
  const percent = limit > 0 ? ((entries / limit) * 100).toFixed(1) : '0.0';
  return `${entries} of ${limit} (${percent} %)`;
}

function use({ entries, limit }: Health): number | undefined {
  return entries === undefined ? undefined : entries / (limit ?? Number.POSITIVE_INFINITY);
}

function worst(
  known: readonly Known[],
  by: (each: Known) => number | undefined,
): Known | undefined {
  let found: Known | undefined;
  for (const each of known) {
    const value = by(each);
    if (value === undefined) continue;
    if (found === undefined || value > (by(found) ?? Number.NEGATIVE_INFINITY)) found = each;
  }
  return found;
}

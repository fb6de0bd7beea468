import type { AgentState } from './agents.ts';
import { plain } from './cell.ts';
import type { GroupingName, Row } from './grouping.ts';
import { measuresOf } from './measures.ts';

interface Content {
  readonly by: GroupingName;
  readonly sort: string;
  readonly filter: string;
  readonly agents: readonly AgentState[];
  readonly rowsTotal: number;
  /** Those to print. */
  readonly rows: readonly Row[];
}

/** One line; docs/top.md says what each key means, and others read it: a key is only ever added. */
export function jsonText({ by, sort, filter, agents, rowsTotal, rows }: Content): string {
  const measures = measuresOf(rows.map(({ values }) => values));
  const content = {
    by,
    sort,
    filter,
    agents: agents.map(agentObject),
    rowsTotal,
    rows: rows.map(({ names, labels, values }) => ({
      name: names.map(plain).join(' '),
      labels,
      ...Object.fromEntries(measures.map((measure) => [measure, values[measure] ?? null])),
    })),
  };
  return `${escapeControls(JSON.stringify(content))}\n`;
}

function agentObject({ name, reading, rateSeconds }: AgentState): object {
  const { node, takenAtMs, entries, limit, cycles, failedCycles, isMappingStale } =
    reading?.health ?? {};
  return {
    agent: name,
    node: node ?? null,
    snapshotTime: takenAtMs === undefined ? null : new Date(takenAtMs).toISOString(),
    rateSeconds: rateSeconds ?? null,
    entries: entries ?? null,
    limit: limit ?? null,
    cycles: cycles ?? null,
    failedCycles: failedCycles ?? null,
    namesStale: isMappingStale ?? null,
  };
}

/** JSON lets pass what a terminal may obey, such as U+009B. */
function escapeControls(json: string): string {
  return json.replaceAll(/\p{C}/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** What the agents' pages say of connections, and what they should say, in the same form. */
import type { Sample } from '../../src/demo/page.ts';
import { identities } from '../../src/demo/topology.ts';

/** One edge in one node's table. */
export interface Row {
  /** All attributes but the state. */
  readonly labels: Readonly<Record<string, string>>;
  readonly opened: number;
  readonly closed: number;
  /** States without connections are left out. */
  readonly active: Readonly<Record<string, number>>;
}

interface Edge {
  readonly node: string;
  /** Addresses; the rest is as the lab's inventory has it. */
  readonly from: string;
  readonly to: string;
  /** Undefined where the protocol has none. */
  readonly port: number | undefined;
  readonly transport?: string;
  readonly primary?: boolean;
}

export function row(
  { node, from, to, port, transport = 'tcp', primary = true }: Edge,
  { opened = 0, closed = 0, active = {} }: Partial<Omit<Row, 'labels'>>,
): Row {
  const labels = withValues({
    node,
    ...endLabels('src', from),
    ...endLabels('dst', to),
    dst_port: port?.toString(),
    transport,
    primary: String(primary),
  });
  return { labels, opened, closed, active };
}

function endLabels(end: string, address: string): Record<string, string | undefined> {
  const owner = identities().get(address);
  return {
    [`${end}_type`]: owner?.type,
    [`${end}_ip`]: address,
    [`${end}_ns`]: owner?.namespace,
    [`${end}_app`]: owner?.app,
    [`${end}_name`]: owner?.name,
  };
}

function withValues(labels: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** Throws when two samples are the same series. */
export function rowsOf(samples: readonly Sample[]): readonly Row[] {
  const rows = new Map<string, { -readonly [Key in keyof Row]: Row[Key] }>();
  const seen = new Set<string>();
  for (const { name, labels, value } of samples) {
    if (!name.startsWith('khan_connection_')) continue;
    const series = `${name} ${keyOf(labels)}`;
    if (seen.has(series)) throw new Error(`Cannot read the page: ${series} stands there twice`);
    seen.add(series);

    const { state, ...edge } = labels;
    const key = keyOf(edge);
    const known = rows.get(key) ?? { labels: edge, opened: 0, closed: 0, active: {} };
    rows.set(key, known);
    if (name === 'khan_connection_total') known.opened = value;
    else if (name === 'khan_connection_closed_total') known.closed = value;
    else if (name !== 'khan_connection_active' || state === undefined)
      throw new Error(`Cannot read the page: nothing is known of ${series}`);
    else if (value !== 0) known.active = { ...known.active, [state]: value };
  }
  return inOrder([...rows.values()]);
}

export function inOrder(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted((a, b) => keyOf(a.labels).localeCompare(keyOf(b.labels)));
}

/** What a query over all agents with primary="true" sums up. */
export function clusterSum(rows: readonly Row[]): Record<'opened' | 'closed' | 'active', number> {
  const sum = { opened: 0, closed: 0, active: 0 };
  for (const { labels, opened, closed, active } of rows) {
    if (labels['primary'] !== 'true') continue;
    sum.opened += opened;
    sum.closed += closed;
    for (const connections of Object.values(active)) sum.active += connections;
  }
  return sum;
}

function keyOf(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => a.localeCompare(b)));
}

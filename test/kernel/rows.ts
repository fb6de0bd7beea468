/** What the agents' pages say of connections, and what they should say, in the same form. */
import type { Sample } from '../../src/demo/page.ts';
import { type Addresses, FAMILIES, identities } from '../../src/demo/topology.ts';

export type Labels = Readonly<Record<string, string>>;

/** Everything that is counted under one attribute set. */
export interface Row {
  /** Without the state. */
  readonly labels: Labels;
  readonly opened: number;
  readonly closed: number;
  /** By state; states without connections are left out. */
  readonly active: Readonly<Record<string, number>>;
}

/** One edge in one node's table. Its names are as the lab's inventory has them. */
export interface TableEdge<Address> {
  readonly node: string;
  readonly from: Address;
  readonly to: Address;
  /** Undefined where the protocol has none. */
  readonly port: number | undefined;
  /** TCP unless given. */
  readonly transport?: string;
  /** True unless given. */
  readonly primary?: boolean;
}

type Counts = Partial<Omit<Row, 'labels'>>;

export function row(
  { node, from, to, port, transport = 'tcp', primary = true }: TableEdge<string>,
  { opened = 0, closed = 0, active = {} }: Counts,
): Row {
  const labels = {
    node,
    ...endLabels('src', from),
    ...endLabels('dst', to),
    ...(port !== undefined && { dst_port: String(port) }),
    transport,
    primary: String(primary),
  };
  return { labels, opened, closed, active };
}

/** The same edge of both families, with the same counts. */
export function rowsOfBoth(edge: TableEdge<Addresses>, counts: Counts): readonly Row[] {
  return FAMILIES.map((family) =>
    row({ ...edge, from: edge.from[family], to: edge.to[family] }, counts),
  );
}

function endLabels(end: 'src' | 'dst', address: string): Labels {
  const { type, namespace, app, name } = identities().get(address) ?? {};
  const labels = { type, ip: address, ns: namespace, app, name };
  return Object.fromEntries(
    Object.entries(labels).flatMap(([key, value]) => (value ? [[`${end}_${key}`, value]] : [])),
  );
}

/** The metrics that a row is made of; those of signals are read by whoever asks for them. */
const COUNTED = ['khan_connection_total', 'khan_connection_closed_total', 'khan_connection_active'];

/** Throws when one series stands there twice. */
export function rowsOf(samples: readonly Sample[]): readonly Row[] {
  const rows = new Map<string, Row>();
  const seen = new Set<string>();
  for (const { name, labels, value } of samples) {
    if (!COUNTED.includes(name)) continue;
    const series = `${name} ${keyOf(labels)}`;
    if (seen.has(series)) throw new Error(`Cannot read the page: ${series} stands there twice`);
    seen.add(series);

    const { state = '', ...edge } = labels;
    const key = keyOf(edge);
    const known = rows.get(key) ?? { labels: edge, opened: 0, closed: 0, active: {} };
    rows.set(key, { ...known, ...counted(known, { name, state, value }) });
  }
  return inOrder(rows.values());
}

function counted(
  { active }: Row,
  { name, state, value }: { name: string; state: string; value: number },
): Partial<Row> {
  switch (name) {
    case 'khan_connection_total':
      return { opened: value };
    case 'khan_connection_closed_total':
      return { closed: value };
    default:
      return value === 0 ? {} : { active: { ...active, [state]: value } };
  }
}

/** What has changed since then; what has not is left out. */
export function changes(now: readonly Row[], then: readonly Row[]): readonly Row[] {
  const before = new Map(then.map((each) => [keyOf(each.labels), each]));
  return now.flatMap(({ labels, opened, closed, active }) => {
    const old = before.get(keyOf(labels));
    const states = Object.entries({ ...zeros(old?.active), ...active })
      .map(([state, count]) => [state, count - (old?.active[state] ?? 0)] as const)
      .filter(([, change]) => change !== 0);
    const change = {
      opened: opened - (old?.opened ?? 0),
      closed: closed - (old?.closed ?? 0),
      active: Object.fromEntries(states),
    };
    const isChanged = change.opened !== 0 || change.closed !== 0 || states.length > 0;
    return isChanged ? [{ labels, ...change }] : [];
  });
}

function zeros(active: Row['active'] = {}): Row['active'] {
  return Object.fromEntries(Object.keys(active).map((state) => [state, 0]));
}

export function inOrder(rows: Iterable<Row>): readonly Row[] {
  return [...rows].toSorted((a, b) => keyOf(a.labels).localeCompare(keyOf(b.labels)));
}

/** Rows whose labels are equal as one row, as after an attribute was dropped. */
export function merged(rows: readonly Row[]): readonly Row[] {
  const sums = new Map<string, Row>();
  for (const each of rows) {
    const sum = sums.get(keyOf(each.labels)) ?? { ...each, opened: 0, closed: 0, active: {} };
    const active = { ...sum.active };
    for (const [state, count] of Object.entries(each.active))
      active[state] = (active[state] ?? 0) + count;
    const { opened, closed } = sum;
    const counts = { opened: opened + each.opened, closed: closed + each.closed, active };
    sums.set(keyOf(each.labels), { labels: each.labels, ...counts });
  }
  return inOrder(sums.values());
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

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => a.localeCompare(b)));
}

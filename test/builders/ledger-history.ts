import * as fc from 'fast-check';
import type { Edge } from '../../src/connections/edge.ts';
import { parseExclude } from '../../src/connections/exclude.ts';
import { Ledger } from '../../src/connections/ledger.ts';
import type { Series } from '../../src/connections/series.ts';
import { ATTRIBUTE } from '../../src/telemetry/names.ts';
import type { Identity } from '../../src/inventory/identity.ts';
import { SimulatedTable, type Route, type Row } from './simulated-table.ts';

const NODE = 'node-a';
const LOCAL = '10.0.0.1';
export const SERIES_TTL_MS = 60_000;
const UDP = 17;

const SOURCES = [LOCAL, '10.1.0.1', '10.1.0.2', '198.51.100.7'];
const ROUTES: readonly Route[] = [
  ...SOURCES.flatMap((source, at) => [
    { source, destination: '10.96.0.1', backend: '10.2.0.1', port: 80, backendPort: 8080 },
    { source, destination: '10.96.0.1', backend: '10.2.0.2', port: 80, sourceTranslated: at > 2 },
    { source, destination: '10.2.0.1', port: 9000 + at, protocol: UDP },
    { source, destination: '127.0.0.1', port: 80 },
  ]),
  { source: 'fd00::7', destination: 'fd00::8', port: 80 },
];
const ADDRESSES = [...SOURCES, 'fd00::7', 'fd00::8', '10.96.0.1', '10.2.0.1', '10.2.0.2'];
const OWNERS: readonly (Identity | undefined)[] = [
  undefined,
  { type: 'pod', name: 'web', node: NODE },
  {
    type: 'pod',
    name: 'api',
    node: 'node-b',
    workload: { kind: 'Deployment', name: 'api' },
    topologyZone: 'zone-1',
  },
  { type: 'service', name: 'shop' },
];

const anyRoute = fc.constantFrom(...ROUTES);
const anyStep = fc.record({
  afterMs: fc.integer({ min: 1, max: 50_000 }),
  restart: fc.nat(14).map((roll) => roll === 0),
  opens: fc.array(
    fc.record({
      route: anyRoute,
      count: fc.integer({ min: 1, max: 9 }),
      slot: fc.constantFrom(1, 3, 7, 11),
    }),
    { maxLength: 6 },
  ),
  closes: fc.array(fc.record({ route: anyRoute, count: fc.integer({ min: 1, max: 12 }) }), {
    maxLength: 10,
  }),
  flashes: fc.array(anyRoute, { maxLength: 2 }),
  renames: fc.array(
    fc.record({ address: fc.constantFrom(...ADDRESSES), owner: fc.constantFrom(...OWNERS) }),
    { maxLength: 2 },
  ),
});

type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never;

export const anyHistory = fc.array(anyStep, { maxLength: 25 });

export interface Labels {
  readonly source: string;
  readonly destination: string;
  readonly port: number | undefined;
  readonly primary: boolean;
}

/** Neither the transport nor the backend: edges share series. */
function labelsOfEdge({ source, destination, port, primary }: Edge): Labels {
  return {
    source: source.identity?.name ?? source.address,
    destination: destination.identity?.name ?? destination.address,
    port,
    primary,
  };
}

/** The same from the outside: written down a second time, with the rule of the design's words. */
function labelsOf(route: Route, owners: ReadonlyMap<string, Identity | undefined>): Labels {
  const nameOf = (address: string) =>
    owners.get(address)?.name ?? (address === LOCAL ? NODE : address);
  const nodeOf = (address: string) => (address === LOCAL ? NODE : owners.get(address)?.node);
  const source = nodeOf(route.source);
  const server = nodeOf(route.backend ?? route.destination);
  let primary = source === NODE;
  if (source === undefined) {
    primary = server === NODE || server === undefined || route.sourceTranslated === true;
  }
  return {
    source: nameOf(route.source),
    destination: nameOf(route.destination),
    port: route.port,
    primary,
  };
}

export function describeOverflow(primary: boolean) {
  return { overflow: true, [ATTRIBUTE.overflow]: true, [ATTRIBUTE.primary]: primary };
}

/** After one commit: the truth, and what the ledger says. */
export interface Told {
  readonly takenAtMs: number;
  /** Those that say anything, and are not left out. */
  readonly rows: readonly (Row & { readonly key: string; readonly labels: Labels })[];
  readonly series: readonly Series<object>[];
  readonly ended: readonly Series<object>[];
  readonly ledger: Ledger<object>;
}

interface Playing {
  readonly seriesMax: number;
  readonly describe?: (edge: Edge) => object;
}

/** Plays the steps of a history, each with a snapshot at its end. */
export function* play(steps: readonly Step[], { seriesMax, describe = labelsOfEdge }: Playing) {
  const table = new SimulatedTable();
  const owners = new Map<string, Identity | undefined>();
  const ledger = new Ledger<object>({
    nodeName: NODE,
    seriesMax,
    seriesTtlMs: SERIES_TTL_MS,
    exclude: [parseExclude('127.0.0.0/8')],
    signals: [],
    describe,
    describeOverflow,
  });
  let takenAtMs = 1_000_000;
  for (const { afterMs, restart, opens, closes, flashes, renames } of steps) {
    takenAtMs += afterMs;
    for (const { route, ...what } of opens) table.open(route, what);
    for (const { route, count } of closes) table.close(route, { count });
    for (const route of flashes) table.flash(route);
    if (restart) table.restart();
    for (const { address, owner } of renames) owners.set(address, owner);

    const snapshot = table.snapshot(takenAtMs, [LOCAL]);
    Array.from(ledger.begin(snapshot));
    Array.from(ledger.rename((address) => owners.get(address)));
    const publication = ledger.commit();
    const series = [...publication.series];
    const rows = table.rows
      .filter(({ route, slots, opened, closed }) => {
        return route.destination !== '127.0.0.1' && slots.length + opened + closed > 0;
      })
      .map((row) => {
        const labels = labelsOf(row.route, owners);
        return { ...row, labels, key: JSON.stringify(labels) };
      });
    yield { takenAtMs, rows, series, ended: publication.ended, ledger } satisfies Told;
  }
}

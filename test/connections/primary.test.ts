import * as fc from 'fast-check';
import t from 'tap';
import type { Endpoint } from '../../src/connections/edge.ts';
import { isPrimary } from '../../src/connections/primary.ts';

const NODES = ['node-a', 'node-b', 'node-c', 'node-d'];

/** A connection as it stands in one node's table. */
interface Sighting {
  readonly table: string;
  /** Node of the original source, and of the reply source; undefined where nobody knows it. */
  readonly source: string | undefined;
  readonly server: string | undefined;
  readonly sourceTranslated?: boolean;
}

function countedBy(sightings: readonly Sighting[]): string[] {
  return sightings
    .filter(({ table, source, server, sourceTranslated = false }) =>
      isPrimary({ source: at(source), backend: at(server), sourceTranslated }, table),
    )
    .map(({ table }) => table);
}

function at(node: string | undefined): Endpoint {
  return { address: '192.0.2.1', identity: undefined, node, hasEnded: false };
}

const outside = undefined;

const paths: readonly [name: string, sightings: readonly Sighting[], counted: readonly string[]][] =
  [
    ['pod to pod on one node', [{ table: 'a', source: 'a', server: 'a' }], ['a']],
    [
      'pod to pod, or through a service, across nodes',
      [
        { table: 'a', source: 'a', server: 'b' },
        { table: 'b', source: 'a', server: 'b' },
      ],
      ['a'],
    ],
    [
      'pod to its own service (hairpin, masqueraded)',
      [{ table: 'a', source: 'a', server: 'a', sourceTranslated: true }],
      ['a'],
    ],
    [
      'pod to a service, masqueraded by its node',
      [
        { table: 'a', source: 'a', server: 'b', sourceTranslated: true },
        { table: 'b', source: 'a', server: 'b' },
      ],
      ['a'],
    ],
    [
      'pod to outside, masqueraded',
      [{ table: 'a', source: 'a', server: outside, sourceTranslated: true }],
      ['a'],
    ],
    [
      'pod to outside through an egress gateway',
      [
        { table: 'a', source: 'a', server: outside },
        { table: 'b', source: 'a', server: outside, sourceTranslated: true },
      ],
      ['a'],
    ],
    [
      "pod to another node's NodePort, answered on a third node",
      [
        { table: 'a', source: 'a', server: 'b', sourceTranslated: true },
        { table: 'b', source: 'a', server: 'c', sourceTranslated: true },
        { table: 'c', source: 'b', server: 'c' },
      ],
      ['a'],
    ],
    ['hostNetwork client to a service', [{ table: 'a', source: 'a', server: 'a' }], ['a']],
    ['outside to a hostNetwork server', [{ table: 'a', source: outside, server: 'a' }], ['a']],
    [
      'outside to a NodePort with SNAT, answered on another node',
      [
        { table: 'a', source: outside, server: 'b', sourceTranslated: true },
        { table: 'b', source: 'a', server: 'b' },
      ],
      ['a'],
    ],
    [
      'outside to a NodePort with SNAT, answered on the same node',
      [{ table: 'a', source: outside, server: 'a', sourceTranslated: true }],
      ['a'],
    ],
    [
      'outside to a pod, through a node that leaves the source as it is',
      [
        { table: 'a', source: outside, server: 'b' },
        { table: 'b', source: outside, server: 'b' },
      ],
      ['b'],
    ],
    ['outside to outside', [{ table: 'a', source: outside, server: outside }], ['a']],
    [
      'outside to outside, masqueraded on the way to a second node',
      [
        { table: 'a', source: outside, server: outside, sourceTranslated: true },
        { table: 'b', source: 'a', server: outside },
      ],
      ['a'],
    ],
  ];

for (const [name, sightings, counted] of paths) {
  t.test(`isPrimary() counts ${name} once`, async (t) => {
    t.same(countedBy(sightings), counted);
  });
}

const unheld: typeof paths = [
  [
    'a client on a node without an agent is not counted',
    [{ table: 'b', source: 'a', server: 'b' }],
    [],
  ],
  [
    'a source put in place that is no known node address counts twice',
    [
      { table: 'a', source: outside, server: 'b', sourceTranslated: true },
      { table: 'b', source: outside, server: 'b' },
    ],
    ['a', 'b'],
  ],
  [
    'two forwarders between two unknown ends count twice',
    [
      { table: 'a', source: outside, server: outside },
      { table: 'b', source: outside, server: outside },
    ],
    ['a', 'b'],
  ],
  [
    'two conntrack zones of the client node count twice',
    [
      { table: 'a', source: 'a', server: 'b' },
      { table: 'a', source: 'a', server: 'b' },
    ],
    ['a', 'a'],
  ],
];

for (const [name, sightings, counted] of unheld) {
  t.test(`where its conditions do not hold: ${name}`, async (t) => {
    t.same(countedBy(sightings), counted);
  });
}

/** What a node on the way does with the packet. */
const anyTreatment = fc.record({
  masquerades: fc.boolean(),
  /**
   * Where it sends the packet, if it can: to the server, to the next node's own address, or on to
   * a virtual address that a later node translates.
   */
  sendsTo: fc.constantFrom('server', 'next node', 'virtual address'),
});

const anyConnection = fc.record({
  /** Node of each end; undefined is outside the cluster. */
  client: fc.option(fc.constantFrom(...NODES), { nil: undefined }),
  server: fc.option(fc.constantFrom(...NODES), { nil: undefined }),
  forwarders: fc.uniqueArray(fc.constantFrom(...NODES), { maxLength: 3 }),
  treatments: fc.array(anyTreatment, { minLength: 5, maxLength: 5 }),
});

type Connection = typeof anyConnection extends fc.Arbitrary<infer C> ? C : never;

function nodesOnTheWay({ client, server, forwarders }: Connection): string[] {
  const between = forwarders.filter((node) => node !== client && node !== server);
  if (client === undefined && server === undefined) return [forwarders[0] ?? 'node-a'];
  const way = [client, ...between, server].filter((node) => node !== undefined);
  return way.length === 2 && client === server ? [way[0]!] : way;
}

/** Sends the first packet, and writes down what each table then says. */
function sightingsOf(connection: Connection): Sighting[] {
  const way = nodesOnTheWay(connection);
  const isReturning = way.length > 1 && way[0] === way.at(-1);
  let source = connection.client;
  let isAtServer = false;
  return way.map((table, hop) => {
    const isLast = hop === way.length - 1;
    const { masquerades, sendsTo } = connection.treatments[hop]!;
    // A packet that comes back to a node finds its way home only if the node before hid the source.
    const sourceTranslated = masquerades || (isReturning && hop === way.length - 2);
    // With an unknown source and left as it is, an address that nobody owns would be a second unknown end.
    const isVirtualAllowed = source !== undefined || sourceTranslated;
    isAtServer ||= isLast || sendsTo === 'server';
    let server = connection.server;
    if (!isAtServer) {
      server = sendsTo === 'virtual address' && isVirtualAllowed ? undefined : way[hop + 1];
    }
    const sighting = { table, source, server, sourceTranslated };
    if (sourceTranslated) source = table;
    return sighting;
  });
}

t.test('isPrimary() counts every connection once, whatever way it takes', async (t) => {
  fc.assert(
    fc.property(anyConnection, (connection) => {
      return countedBy(sightingsOf(connection)).length === 1;
    }),
    { numRuns: 5_000 },
  );
  t.pass();
});

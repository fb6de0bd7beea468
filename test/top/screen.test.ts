import { assert, integer, property } from 'fast-check';
import t from 'tap';
import type { AgentState } from '../../src/top/agents.ts';
import { widthOf } from '../../src/top/cell.ts';
import type { Edge, Health } from '../../src/top/reading.ts';
import { choose, printedText, screenLines } from '../../src/top/screen.ts';
import type { View } from '../../src/top/view.ts';
import { edge, pod } from '../builders/edges.ts';

const VIEW: View = {
  by: 'edge',
  sort: 'active',
  isReversed: false,
  filter: '',
  isTyping: false,
  isPaused: false,
  isHelp: false,
  offset: 0,
};
const EDGES = [
  edge(pod('web-6d4f9c7b8-x2x1p', '10.1.0.11'), {
    active: 12,
    opened: 100,
    idle: 3,
    leakScore: 0.8,
  }),
  edge(pod('cart-0', '10.1.0.12'), { active: 120, opened: 7 }),
];
const NOW_MS = 1_000_000_000_000;
const HEALTH = { node: 'node-a', entries: 100, limit: 1000, takenAtMs: NOW_MS - 3500, cycles: 4 };

function agent(health: Health, fault?: Error): AgentState {
  const reading = { health, edges: new Map() };
  return { name: 'http://127.0.0.1:9464/metrics', reading, rateSeconds: undefined, fault };
}

function screen(
  change: Partial<View> = {},
  {
    columns = 80,
    rows = 8,
    edges = EDGES,
    agents = [agent(HEALTH)],
  }: {
    readonly columns?: number;
    readonly rows?: number;
    readonly edges?: readonly Edge[];
    readonly agents?: readonly AgentState[];
  } = {},
): readonly string[] {
  const view = { ...VIEW, ...change };
  const chosen = choose(view, edges, 1000);
  const lines = screenLines({ view, agents, chosen }, { size: { columns, rows }, nowMs: NOW_MS });
  return lines.map(({ text }) => text.trimEnd());
}

t.test('a screen has how all is, what is shown, the rows, and the keys', async (t) => {
  t.strictSame(screen(), [
    'khan top · node-a · table 100 of 1000 (10.0 %) · snapshot 3s old',
    '2 rows · by edge · sorted by active',
    'SOURCE                   DESTINATION  PORT    ▼ACTIVE   OPEN/s     LEAK     IDLE',
    'shop/cart-0              shop/api     80/tcp      120        -        -        0',
    'shop/web-6d…9c7b8-x2x1p  shop/api     80/tcp       12        -     0.80        3',
    '',
    '',
    'q quit  ←→ sort  r reverse  / filter  b by  space pause  h help',
  ]);
});

t.test('on a wide screen there is every column, and names are whole', async (t) => {
  const [, , head, , web] = screen({}, { columns: 120 });
  t.equal(
    head,
    'SOURCE                    DESTINATION  PORT    ▼ACTIVE   OPEN/s     LEAK     IDLE   OPENED',
  );
  t.match(web, /^shop\/web-6d4f9c7b8-x2x1p {2}shop\/api /);
});

t.test('on a narrow screen the column of the order is the last to go', async (t) => {
  const [, , head] = screen({ sort: 'opened' }, { columns: 58 });
  t.match(head, /PORT +▼OPENED$/);
});

t.test('no line is wider than the screen, and there are as many as it has', async () => {
  assert(
    property(integer({ min: 1, max: 160 }), integer({ min: 1, max: 40 }), (columns, rows) => {
      for (const change of [{}, { isHelp: true }, { isTyping: true, filter: '日本' }]) {
        const view = { ...VIEW, ...change };
        const chosen = choose({ ...view, filter: '' }, EDGES, 1000);
        const shown = { view, agents: [agent(HEALTH)], chosen };
        const lines = screenLines(shown, { size: { columns, rows }, nowMs: NOW_MS });
        if (lines.length !== rows) return false;
        if (lines.some(({ text }) => widthOf(text) !== columns)) return false;
      }
      return true;
    }),
  );
});

t.test('what strangers call themselves does not reach the terminal as it is', async (t) => {
  const evil = '\x1b[2J\x1b]0;owned\x07';
  const text = screen(
    { filter: 'owned' },
    {
      edges: [edge(pod(evil, '10.1.0.11'), { active: 1 })],
      agents: [agent({ ...HEALTH, node: evil })],
    },
  ).join('\n');
  t.match(text, '[2J');
  t.notMatch(text, /\p{Cc}(?<!\n)/u);
});

t.test('rows are scrolled, and come back when there are fewer', async (t) => {
  const edges = Array.from({ length: 10 }, (_, at) =>
    edge(pod(`web-${at}`, `10.1.0.${at}`), { active: 1 }),
  );
  const rowsAt = (offset: number, some = edges) =>
    screen({ offset }, { edges: some })
      .slice(3, -1)
      .map((line) => line.split(' ')[0]);
  t.strictSame(rowsAt(0), ['shop/web-0', 'shop/web-1', 'shop/web-2', 'shop/web-3']);
  t.strictSame(rowsAt(6), ['shop/web-6', 'shop/web-7', 'shop/web-8', 'shop/web-9']);
  t.strictSame(rowsAt(6, edges.slice(0, 2)), ['shop/web-0', 'shop/web-1', '', '']);
});

t.test('what is filtered, reversed or paused is said', async (t) => {
  t.equal(
    screen({ filter: 'web', isReversed: true, isPaused: true })[1],
    '1 row · by edge · sorted by active, reversed · filter web · paused',
  );
  t.equal(screen({ filter: 'we', isTyping: true }).at(-1), '/we▏');
  t.match(screen({ isHelp: true }), [/^khan top/, /^2 rows/, 'KEYS', /^q, Ctrl-C +quit$/]);
});

t.test('more rows than the limit are said to be more', async (t) => {
  const chosen = choose(VIEW, EDGES, 1);
  const lines = screenLines(
    { view: VIEW, agents: [agent(HEALTH)], chosen },
    { size: { columns: 80, rows: 8 }, nowMs: NOW_MS },
  );
  t.match(lines[1]?.text, /^1 of 2 rows · /);
});

t.test('of many agents the worst is told', async (t) => {
  const agents = [
    agent({ ...HEALTH, failedCycles: 1, isMappingStale: true }),
    agent({ ...HEALTH, node: 'node-b', entries: 999, takenAtMs: NOW_MS - 60_000 }),
  ];
  t.equal(
    screen({}, { agents, columns: 200 })[0],
    'khan top · 2 nodes · fullest table node-b 999 of 1000 (99.9 %) · oldest snapshot node-b 1m00s old' +
      ' · 1 cycle failed · names stale on 1',
  );
});

t.test('an agent that does not answer is said where it matters', async (t) => {
  const fault = new Error('Cannot read it: ECONNREFUSED');
  const agents = [agent(HEALTH, fault), agent({ ...HEALTH, node: 'node-b' }, fault)];
  t.equal(screen({}, { agents })[1], 'Cannot read it: ECONNREFUSED (and 1 more)');
  t.match(screen({}, { agents: [agent({ cycles: 0 })] })[0], / · no snapshot yet$/);
});

t.test('what is printed has all columns, and says what the limit left out', async (t) => {
  const chosen = choose(VIEW, EDGES, 1);
  const shown = { view: VIEW, agents: [agent(HEALTH)], chosen };
  t.equal(
    printedText(shown, { columns: Number.POSITIVE_INFINITY, nowMs: NOW_MS }),
    `node-a · table 100 of 1000 (10.0 %) · snapshot 3s old
SOURCE       DESTINATION  PORT    ▼ACTIVE   OPEN/s     LEAK     IDLE   OPENED
shop/cart-0  shop/api     80/tcp      120        -        -        0        7
and 1 rows more: see --limit
`,
  );
});

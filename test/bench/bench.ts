import { Failure } from '../../src/runtime/failure.ts';
import {
  choice,
  flag,
  integer,
  list,
  oneOf,
  readSettings,
  settingsHelp,
  type SettingsOf,
  text,
} from '../../src/runtime/settings.ts';
import { benchBounds } from './bounds.ts';
import { compare } from './compare.ts';
import { benchController, benchSync } from './controller.ts';
import { benchCycle, READERS } from './cycle.ts';
import { benchEvents } from './events.ts';
import { benchFleet } from './fleet.ts';
import { benchFootprint } from './footprint.ts';
import { benchLeaks } from './leaks.ts';
import { benchLoad } from './load.ts';
import { benchOtlp } from './otlp.ts';
import { benchPage } from './page.ts';
import { profile } from './profile.ts';
import { benchSignals } from './signals.ts';
import { benchSoak } from './soak.ts';
import { runSuite } from './suite.ts';

/** `npm run bench`: named scenarios, each measured as a ratio against something in the same run. */

const SCENARIOS = {
  bounds: benchBounds,
  controller: benchController,
  cycle: benchCycle,
  events: benchEvents,
  fleet: benchFleet,
  footprint: benchFootprint,
  leaks: benchLeaks,
  load: benchLoad,
  otlp: benchOtlp,
  page: benchPage,
  signals: benchSignals,
  soak: benchSoak,
  sync: benchSync,
};

const SCENARIO_NAMES = [
  'bounds',
  'controller',
  'cycle',
  'events',
  'fleet',
  'footprint',
  'leaks',
  'load',
  'otlp',
  'page',
  'signals',
  'soak',
  'sync',
] as const satisfies readonly (keyof typeof SCENARIOS)[];

const settings = {
  scenario: choice({
    choices: ['all', ...SCENARIO_NAMES],
    default: 'all',
    description:
      'all: what ends in ten minutes, each in a small size, with a table for docs/performance.md; ' +
      'it is the default unless a size is given, which is one of cycle; ' +
      'cycle: from dump to published series, against a bare discard of the same dump; controller: ' +
      'first sync, memory and answers with many pods, against a bare reader of the same pods; otlp: ' +
      "pushes to a collector, against the SDK's exporter without batches; page: scrapes, against the " +
      'stock exporter and prom-client; events: an agent that follows events, against one that does ' +
      'not, with the same short connections; footprint: memory and start-up time of both programs, as ' +
      'shipped and from source; signals: the cycle with each of --signals, against none of them; ' +
      'fleet: a cluster of agents and two controllers, one of which dies, against a bare server; ' +
      'load: an agent that is scraped and pushes all the time, against one that nobody asks; ' +
      'leaks: simulated clients that leak or only look like it, each so often as there are rounds; ' +
      'soak: an agent with all that it can do, for long, while all connections and pods are replaced; ' +
      'bounds: a million strangers, names that change at each poll, scrapers each second',
  }),
  entries: integer({
    default: 262_144,
    min: 1,
    max: 4_000_000,
    description:
      'Entries in the table, written into a network namespace of the benchmark; root of the host has ' +
      'its nf_conntrack_max raised for them, and put back',
  }),
  edges: integer({
    default: 20_000,
    min: 1,
    max: 1_000_000,
    description: 'Edges that the entries belong to',
  }),
  ipv6: integer({
    default: 15,
    min: 0,
    max: 100,
    unit: '%',
    description: 'Edges that are between IPv6 addresses',
  }),
  replace: flag({ description: 'A fifth of the entries is replaced before each round of cycle' }),
  beside: list({
    type: `list of ${READERS.join(', ')}`,
    parse: oneOf(READERS),
    default: 'none',
    description:
      'Who else reads the table in each round of cycle: conntrack -L, and /proc/net/nf_conntrack',
  }),
  pods: integer({
    default: 150_000,
    min: 1500,
    max: 1_000_000,
    description: 'Pods of the fake API server, 8 KB each, 30 on a node',
  }),
  series: integer({
    default: 100_000,
    min: 4,
    max: 10_000_000,
    description: 'Data points of an OTLP push or a page, four for an attribute set',
  }),
  connections: integer({
    default: 20_000,
    min: 2,
    max: 1_000_000,
    description: 'Short connections of a round, half of them refused, half of them closed in order',
  }),
  rounds: integer({
    default: 9,
    min: 1,
    max: 1000,
    description: 'Rounds; each measures the baseline and the scenario, and the median is reported',
  }),
  'unwell-rounds': integer({
    default: 60,
    min: 1,
    max: 1000,
    description: 'Pushes of otlp to a collector that is away, and to one that does not answer',
  }),
  shipped: flag({ description: 'Footprint only as shipped, and not from source as well' }),
  state: flag({
    description:
      'The agent of cycle and footprint keeps its state, in a directory of the benchmark',
  }),
  agents: integer({
    default: 5000,
    min: 1,
    max: 8000,
    description: 'Agents of a fleet; at most one for 30 pods',
  }),
  churn: integer({
    default: 3,
    min: 0,
    max: 100,
    description: 'Percent of the pods that are replaced a minute while a fleet runs',
  }),
  seconds: integer({
    default: 60,
    min: 1,
    max: 3600,
    description: 'How long the steady state of a fleet is measured',
  }),
  'poll-seconds': integer({
    default: 30,
    min: 1,
    max: 3600,
    description: 'Poll interval of a fleet',
  }),
  compare: text({
    description: 'Revision that runs beside this working tree, in turn: cycle, page and controller',
  }),
  profile: text({
    description:
      'Folder for a .cpuprofile of each thread and a flame graph of each flow, or of --scenario NAME',
  }),
  minutes: integer({
    default: 60,
    min: 1,
    max: 1440,
    description: 'How long a soak lasts',
  }),
  json: flag({ description: 'Print JSON lines instead of a table' }),
} as const;

type Settings = SettingsOf<typeof settings>;

async function measure({ json, compare: other, profile: folder, ...size }: Settings) {
  const { scenario } = size;
  if (other !== undefined) return compare(other, size);
  if (folder !== undefined) return profile(folder, size);
  if (scenario !== 'all') return SCENARIOS[scenario](size);
  const { rows, text: table } = await runSuite();
  if (!json) process.stdout.write(table);
  return json ? rows : [];
}

/** Sizes are those of one scenario, and one is compared at a time. */
function withScenario(argv: readonly string[]): readonly string[] {
  const names = argv
    .filter((argument) => argument.startsWith('--'))
    .map((argument) => argument.split('=', 1)[0]!);
  const isOfAll = names.every((name) => name === '--json' || name === '--profile');
  return isOfAll || names.includes('--scenario') ? argv : [...argv, '--scenario', 'cycle'];
}

const argv = process.argv.slice(2);
if (argv.includes('--help')) {
  process.stdout.write(`Usage: npm run bench -- [options]\n\n${settingsHelp(settings)}`);
} else {
  try {
    const given = readSettings(settings, withScenario(argv), process.env);
    const results = await measure(given);
    if (given.json) {
      for (const result of results) process.stdout.write(`${JSON.stringify(result)}\n`);
    } else if (results.length > 0) {
      // oxlint-disable-next-line no-console -- the table is what was asked for
      console.table(results);
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
  }
}

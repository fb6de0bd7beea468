import { cycleStep, EDGES, ENTRIES, IPV6 } from './cycle-steps.ts';
import type { EventsResult } from './events.ts';
import type { FootprintResult } from './footprint.ts';
import type { CostResult, TrialsResult } from './leaks.ts';
import type { LoadResult } from './load.ts';
import { atLeast, atMost, once, type Row } from './row.ts';
import type { SignalsResult } from './signals.ts';
import { toldSpread, type Spread } from './spread.ts';
import { counted, step, type Step } from './suite-step.ts';

export function agentSteps(): Step[] {
  return [cycleStep(), loadStep(), footprintStep(), eventsStep()];
}

export function otherSteps(): Step[] {
  return [signalsStep(), leaksStep()];
}

function loadStep(): Step {
  const argv = ['--scenario', 'load', '--entries', String(ENTRIES), '--edges', String(EDGES)];
  return step<LoadResult>([...argv, '--ipv6', String(IPV6), '--rounds', '2'], (lines) => {
    const [quiet, loaded] = lines;
    if (quiet === undefined || loaded === undefined) return { rows: [] };
    const scenario = 'an agent, a fifth replaced before each round';
    const share = 100 * quiet.cpu_share_30s;
    return {
      rows: [
        {
          scenario,
          what: 'processor time at a poll of 30 s',
          value: once(share),
          unit: '% of a core',
          bar: atMost(3, '%', share),
        },
        {
          scenario,
          what: 'cycle, scraped 4 times and pushed once a second',
          against: 'an agent that nobody asks',
          ratio: toldSpread(loaded.ratio, loaded.ratio_range),
          value: toldSpread(loaded.cycle_ms, loaded.cycle_ms_range),
          unit: 'ms',
          rssMb: loaded.rss_mb,
          blockMs: loaded.block_cpu_ms,
        },
        {
          scenario,
          what: 'its scrapes, to the last byte',
          value: toldSpread(loaded.scrape_ms, loaded.scrape_ms_range),
          unit: 'ms',
        },
      ],
    };
  });
}

function signalsStep(): Step {
  return step<SignalsResult>(['--scenario', 'signals', '--rounds', '3'], (lines) => ({
    rows: lines
      .filter(({ signals }) => signals !== 'none')
      .map((line) => ({
        scenario: 'signals, processor time of a cycle',
        what: line.signals.includes(',') ? 'all of them' : line.signals,
        against: 'none of them',
        ratio: toldSpread(line.cpu_ratio, line.cpu_ratio_range),
        value: toldSpread(line.cpu_ms, line.cpu_ms_range),
        unit: 'ms',
      })),
  }));
}

function eventsStep(): Step {
  const argv = ['--scenario', 'events', '--connections', '20000', '--rounds', '2'];
  return step<EventsResult>(argv, (lines) => {
    const [without, line] = lines;
    if (without === undefined || line === undefined) return { rows: [] };
    const scenario = `short connections, ${counted(line.per_second)} a second`;
    return {
      rows: [
        { scenario, what: 'counted without events', value: percentOf(without), unit: '% of them' },
        {
          scenario,
          what: 'counted with events',
          value: percentOf(line),
          unit: '% of them',
          bar: atLeast(100, '%', percentOf(line).low),
        },
        {
          scenario,
          what: 'processor time with events',
          against: 'without',
          ratio: toldSpread(line.ratio, line.ratio_range),
          value: toldSpread(line.cpu_ms, line.cpu_ms_range),
          unit: 'ms',
        },
      ],
    };
  });
}

function percentOf({ counted_share, counted_share_range: [low, high] }: EventsResult): Spread {
  return { median: 100 * counted_share, low: 100 * low, high: 100 * high };
}

function footprintStep(): Step {
  const argv = ['--scenario', 'footprint', '--shipped', '--entries', String(ENTRIES)];
  return step<FootprintResult>([...argv, '--edges', String(EDGES), '--rounds', '1'], (lines) => {
    const bare = lines.find(({ program }) => program === 'bare node');
    if (bare === undefined) return { rows: [] };
    const programs = lines.filter((line) => line !== bare);
    return { rows: programs.flatMap((line) => footprintRows(line, bare)) };
  });
}

function footprintRows(line: FootprintResult, bare: FootprintResult): Row[] {
  const isAgent = line.program === 'agent';
  const isFull = line.entries !== undefined;
  const table = isFull ? `, ${counted(line.entries)} entries` : ', empty table';
  const scenario = `${line.program} as shipped${isAgent ? table : ''}`;
  const against = 'bare Node';
  return [
    {
      scenario,
      what: isAgent ? 'from exec to the first snapshot' : 'from exec to ready',
      against,
      ratio: once(line.ready_ms / bare.ready_ms),
      value: toldSpread(line.ready_ms, line.ready_ms_range),
      unit: 'ms',
      ...(isAgent && { bar: atMost(1000, 'ms', line.ready_ms) }),
    },
    {
      scenario,
      what: 'memory before anybody reads its page',
      against,
      ratio: once(line.rss_mb / bare.rss_mb),
      value: toldSpread(line.rss_mb, line.rss_mb_range),
      unit: 'MB',
      ...(isAgent && { bar: atMost(isFull ? 140 : 100, 'MB', line.rss_mb) }),
    },
    ...(isFull
      ? [
          {
            scenario,
            what: 'the most of it, while the table is read',
            value: once(line.rss_high_mb),
            unit: 'MB',
          },
        ]
      : []),
    {
      scenario,
      what: 'memory once it has been read',
      against,
      ratio: once(line.rss_scraped_mb / bare.rss_scraped_mb),
      value: once(line.rss_scraped_mb),
      unit: 'MB',
    },
  ];
}

function leaksStep(): Step {
  return step<TrialsResult | CostResult>(['--scenario', 'leaks', '--rounds', '2'], (lines) => {
    const cost = lines.find((line) => 'histories' in line);
    const trials = lines.filter((line) => 'trials' in line);
    const alarms = trials.reduce((sum, line) => sum + line.false_alarms, 0);
    const leaking = trials.filter((line) => line.found !== undefined);
    const found = leaking.reduce((sum, line) => sum + (line.found ?? 0), 0);
    const all = leaking.reduce((sum, line) => sum + line.trials, 0);
    const scenario = 'leak score';
    return {
      rows: [
        { scenario, what: `leaks found, of ${all}`, value: once(found), unit: '' },
        { scenario, what: 'false alarms', value: once(alarms), unit: '' },
        ...(cost === undefined
          ? []
          : [
              {
                scenario,
                what: `a look at ${counted(cost.series)} series`,
                value: once(cost.ms),
                unit: 'ms',
                blockMs: cost.longest_block_ms,
              },
            ]),
      ],
    };
  });
}

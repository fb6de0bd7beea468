import type { ControllerResult, SyncResult } from './controller.ts';
import type { FleetVerdict } from './fleet.ts';
import type { FleetPhase } from './fleet-meter.ts';
import type { Cost } from './growth-plot.ts';
import { atMost, once, type Row } from './row.ts';
import { toldSpread } from './spread.ts';
import { counted, step, type Step } from './suite-step.ts';

const PODS = 150_000;
const FEWER_PODS = [15_000, 50_000];
const FLEET = { agents: 500, pods: 15_000 };

export function clusterSteps(): Step[] {
  return [controllerStep(), fleetStep(), ...FEWER_PODS.map(syncStep)];
}

function syncStep(pods: number): Step {
  return step<SyncResult>(['--scenario', 'sync', '--pods', String(pods)], ([line]) =>
    line === undefined ? { rows: [] } : { rows: [syncRow(line)], costs: syncCosts(line) },
  );
}

function syncRow(line: SyncResult): Row {
  return {
    scenario: `controller, ${counted(line.pods)} pods`,
    what: 'first sync, from the start of the program',
    against: 'a bare reader of the same pods',
    ratio: once(line.ratio),
    value: once(line.sync_ms / 1000),
    unit: 's',
    rssMb: line.rss_peak_mb,
    blockMs: line.sync_block_ms,
  };
}

function syncCosts({ pods, sync_ms, baseline_ms }: SyncResult): Cost[] {
  const point = { of: 'pods', size: pods, unit: 's' };
  return [
    { ...point, what: 'first sync', cost: sync_ms / 1000 },
    { ...point, what: 'bare reader', cost: baseline_ms / 1000 },
  ];
}

function controllerStep(): Step {
  const argv = ['--scenario', 'controller', '--pods', String(PODS), '--rounds', '15'];
  return step<ControllerResult>(argv, ([line]) => {
    if (line === undefined) return { rows: [] };
    const { scenario } = syncRow(line);
    const cold = toldSpread(line.resolve_cold_ms, line.resolve_cold_ms_range);
    const warm = toldSpread(line.resolve_warm_ms, line.resolve_warm_ms_range);
    const all = '`POST /v1/resolve` of 1,500 addresses';
    const last = line.paced.at(-1)!;
    return {
      rows: [
        { ...syncRow(line), bar: atMost(15, 's', line.sync_ms / 1000) },
        {
          scenario,
          what: 'memory at most',
          value: once(line.rss_peak_mb),
          unit: 'MB',
          bar: atMost(600, 'MB', line.rss_peak_mb),
        },
        {
          scenario,
          what: `${all}, all known`,
          value: warm,
          unit: 'ms',
          bar: atMost(2, 'ms', warm?.median),
        },
        {
          scenario,
          what: `${all}, all wanted`,
          value: cold,
          unit: 'ms',
          bar: atMost(2, 'ms', cold?.median),
        },
        {
          scenario,
          what: `${counted(Math.round(last.per_second))} of them a second, half answered within`,
          against: 'a bare server',
          ratio: once(last.p50_ms / line.paced_baseline.p50_ms),
          value: once(last.p50_ms),
          unit: 'ms',
          rssMb: line.rss_mb,
          blockMs: last.block_ms,
        },
        {
          scenario,
          what: '99 of 100 answered within',
          against: 'a bare server',
          ratio: once(last.p99_ms / line.paced_baseline.p99_ms),
          value: once(last.p99_ms),
          unit: 'ms',
        },
        {
          scenario,
          what: 'processor time meanwhile',
          against: 'a bare server',
          ratio: once(last.cpu_share / line.paced_baseline.cpu_share),
          value: once(100 * last.cpu_share),
          unit: '% of a core',
        },
      ],
      costs: [
        ...syncCosts(line),
        ...line.paced.map(({ nodes, cpu_share }) => ({
          of: 'nodes that ask every 30 s',
          size: nodes,
          what: 'controller',
          cost: 100 * cpu_share,
          unit: '% of a core',
        })),
      ],
    };
  });
}

function fleetStep(): Step {
  const { agents, pods } = FLEET;
  const argv = ['--scenario', 'fleet', '--agents', String(agents), '--pods', String(pods)];
  return step<FleetPhase | FleetVerdict>(
    [...argv, '--seconds', '5', '--poll-seconds', '3'],
    (lines) => {
      const phases = lines.filter((line) => 'p50_ms' in line);
      const baseline = phases.find(({ phase }) => phase === 'baseline');
      const verdict = lines.find((line) => 'wrong' in line);
      const scenario = `${counted(agents)} agents, two controllers, a poll of 3 s`;
      const rows: Row[] = ['rollout', 'steady', 'failover', 'settle'].flatMap((name) => {
        const line = phases.find(({ phase }) => phase === name);
        if (line === undefined || baseline === undefined) return [];
        return [
          {
            scenario,
            what: `${name}: half of the questions answered within`,
            against: 'a bare server',
            ratio: once(line.p50_ms / baseline.p50_ms),
            value: { median: line.p50_ms, low: line.p50_ms, high: line.max_ms },
            unit: 'ms',
            rssMb: line.survivor_rss_peak_mb,
            blockMs: line.survivor_block_ms,
          },
        ];
      });
      const wrong = verdict === undefined ? undefined : verdict.wrong + verdict.missing;
      if (wrong !== undefined) {
        rows.push({ scenario, what: 'names wrong or missing at the end', value: once(wrong) });
      }
      return { rows };
    },
  );
}

/** One panel as HTML: what Grafana would make of the same JSON and the same answers, simpler. */
import type { Defaults, Panel } from '../../otel/grafana/source/panel.ts';
import { filled } from './expressions.ts';
import { formatted } from './format.ts';
import type { PrometheusApi, Series, TimeRange } from './prometheus-api.ts';

interface Context {
  readonly api: PrometheusApi;
  readonly range: TimeRange;
  readonly variables: Readonly<Record<string, string>>;
}

const HEAT_COLUMNS = 60;

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

const DRAWN: Readonly<Record<Panel['type'], (panel: Panel, context: Context) => Promise<string>>> =
  { stat: drawStat, timeseries: drawGraph, 'status-history': drawHeat, table: drawTable };

export async function drawPanel(panel: Panel, context: Context): Promise<string> {
  return DRAWN[panel.type](panel, context);
}

async function overTime(panel: Panel, { api, range, variables }: Context, step = range.step) {
  const answers = panel.targets.map(async ({ expr, legendFormat }) => {
    const series = await api.over(filled(expr, variables), { ...range, step });
    return series.map((each) => ({ ...each, name: legendOf(legendFormat, each) }));
  });
  return (await Promise.all(answers)).flat();
}

function legendOf(format: string, { labels }: Series): string {
  return format.replaceAll(/\{\{(\w+)\}\}/g, (_match, label: string) => labels[label] ?? '');
}

function plot(series: readonly (Series & { readonly name: string })[], options: object): string {
  const times = [...new Set(series.flatMap(({ points }) => points.map(([time]) => time)))];
  times.sort((one, other) => one - other);
  const lines = series.map(({ name, points }) => {
    const values = new Map(points);
    return { name, values: times.map((time) => values.get(time) ?? null) };
  });
  return `<div class="plot" data-plot="${escaped(JSON.stringify({ times, lines, ...options }))}"></div>`;
}

async function drawStat(panel: Panel, context: Context): Promise<string> {
  const { unit = 'short', decimals, thresholds }: Defaults = panel.fieldConfig.defaults;
  const series = await overTime(panel, context);
  const last = series[0]?.points.at(-1)?.[1];
  const passed = thresholds?.steps.filter(({ value }) => value === null || (last ?? 0) >= value);
  const color = passed?.at(-1)?.color ?? 'green';
  const text = last === undefined ? '–' : formatted(last, unit, decimals);
  return `<div class="stat ${color}">${text}</div>${plot(series, { kind: 'spark', color })}`;
}

async function drawGraph(panel: Panel, context: Context): Promise<string> {
  const { unit = 'short', custom }: Defaults = panel.fieldConfig.defaults;
  const series = await overTime(panel, context);
  if (series.length === 0) return '<div class="none">No data</div>';
  const stacked = custom?.stacking?.mode === 'normal';
  return plot(series, { kind: 'graph', unit, stacked, fill: custom?.fillOpacity });
}

async function drawHeat(panel: Panel, context: Context): Promise<string> {
  const { start, end } = context.range;
  const step = (end - start) / HEAT_COLUMNS;
  const series = await overTime(panel, context, step);
  if (series.length === 0) return '<div class="none">No data</div>';
  const most = Math.max(...series.flatMap(({ points }) => points.map(([, value]) => value)));
  const rows = series.map(({ name, points }) => {
    const cells = Array.from({ length: HEAT_COLUMNS + 1 }, (_, at) => {
      const point = points.find(([time]) => Math.abs(time - start - at * step) < step / 2);
      return `<i style="background:${point === undefined ? 'none' : heatOf(point[1] / most)}"></i>`;
    });
    return `<b>${escaped(name)}</b>${cells.join('')}`;
  });
  return `<div class="heat" style="--columns:${HEAT_COLUMNS + 1}">${rows.join('')}</div>`;
}

/** Blue, yellow, red. */
function heatOf(share: number): string {
  return share < 0.5
    ? `color-mix(in srgb, #fade2a ${share * 200}%, #3274d9)`
    : `color-mix(in srgb, #e02f44 ${share * 200 - 100}%, #fade2a)`;
}

async function drawTable(panel: Panel, { api, variables }: Context): Promise<string> {
  const answers = await Promise.all(
    panel.targets.map(async ({ expr }) => api.now(filled(expr, variables))),
  );
  const organize = panel.transformations?.find(({ id }) => id === 'organize');
  const renamed = Object.entries(organize?.options.renameByName ?? {});
  const columns = renamed.filter(([name]) => !name.startsWith('Value'));
  const measures = [
    ...new Set(renamed.filter(([name]) => name.startsWith('Value')).map(([, title]) => title)),
  ];
  const keyOf = ({ labels }: Series) => JSON.stringify(columns.map(([label]) => labels[label]));
  const rows = new Map<string, { readonly series: Series; readonly values: number[] }>();
  answers.forEach((series, at) => {
    for (const each of series) {
      const row = rows.get(keyOf(each)) ?? { series: each, values: [] };
      row.values[at] = each.points[0]?.[1] ?? Number.NaN;
      rows.set(keyOf(each), row);
    }
  });
  const sorted = [...rows.values()].toSorted(
    (one, other) => (other.values[0] ?? 0) - (one.values[0] ?? 0),
  );
  if (sorted.length === 0) return '<div class="none">No data</div>';
  const property = (title: string, id: string) =>
    panel.fieldConfig.overrides
      .find(
        ({ matcher, properties }) =>
          matcher.options === title && properties.some((each) => each.id === id),
      )
      ?.properties.find((each) => each.id === id)?.value;
  const head = [...columns.map(([, title]) => title), ...measures].map(
    (title) => `<th>${title}</th>`,
  );
  const body = sorted.map(({ series: { labels }, values }) => {
    const names = columns.map(([label, title]) => {
      const text = escaped(labels[label] ?? '');
      return `<td>${property(title, 'links') === undefined ? text : `<u>${text}</u>`}</td>`;
    });
    const numbers = measures.map((title, at) => {
      const value = values[at];
      const unit = property(title, 'unit');
      const decimals = property(title, 'decimals');
      const text = formatted(
        value ?? 0,
        typeof unit === 'string' ? unit : 'short',
        typeof decimals === 'number' ? decimals : undefined,
      );
      const share = at === 0 ? (value ?? 0) / (sorted[0]?.values[0] ?? 1) : 0;
      const bar = at === 0 ? `<s style="width:${Math.round(share * 90)}px"></s>` : '';
      return `<td class="number">${bar}${text}</td>`;
    });
    return `<tr>${names.join('')}${numbers.join('')}</tr>`;
  });
  return `<table><tr>${head.join('')}</tr>${body.join('')}</table>`;
}

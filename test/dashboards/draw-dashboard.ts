/** A dashboard as a page. */
import type { Dashboard } from '../../otel/grafana/source/dashboard.ts';
import { drawPanel, escaped } from './draw-panel.ts';
import { filled, variableQuery } from './expressions.ts';
import type { PrometheusApi } from './prometheus-api.ts';

const POINTS = 180;

interface Options {
  readonly dashboard: Dashboard;
  readonly api: PrometheusApi;
  /** Of variables; one that is missing takes its first value. */
  readonly chosen: Readonly<Record<string, string>>;
  readonly rangeSeconds: number;
}

export async function drawDashboard(options: Options): Promise<string> {
  const { dashboard, api, rangeSeconds } = options;
  const variables = await variablesOf(options);
  const end = Date.now() / 1000;
  const step = Math.max(5, Math.round(rangeSeconds / POINTS));
  const range = { start: end - rangeSeconds, end, step };
  const panels = dashboard.panels.map(async (panel) => {
    const { x, y, w, h } = panel.gridPos;
    const place = `style="grid-area:${y + 1}/${x + 1}/span ${h}/span ${w}"`;
    const title = escaped(filled(panel.title, variables));
    if (panel.type === 'row') return `<h2 ${place}>${title}</h2>`;
    const content = await drawPanel(panel, { api, range, variables });
    const description = escaped(panel.description);
    return `<section ${place} title="${description}"><h3>${title}</h3>${content}</section>`;
  });
  const shown = Object.entries(variables).map(
    ([name, value]) => `<span>${name} <b>${escaped(value)}</b></span>`,
  );
  return `<!doctype html><meta charset="utf-8"><title>${dashboard.title}</title>
<link rel="stylesheet" href="/uplot.css"><link rel="stylesheet" href="/page.css">
<header><h1>${dashboard.title}</h1>${shown.join('')}<span>last ${Math.round(rangeSeconds / 60)} minutes</span></header>
<main>${(await Promise.all(panels)).join('\n')}</main>
<script src="/uplot.js"></script><script src="/page.js"></script>`;
}

async function variablesOf({ dashboard, api, chosen }: Options) {
  const values: Record<string, string> = {};
  for (const variable of dashboard.templating.list) {
    if (variable.type !== 'query') continue;
    const { name, query, regex } = variable;
    const { expr, label } = variableQuery(query.query);
    const found = await api.now(filled(expr, values));
    const pattern = new RegExp(regex.slice(1, -1));
    const all = found.map(({ labels }) => {
      if (label !== undefined) return labels[label];
      // A line of the result, as Grafana matches it.
      const text = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
      return pattern.exec(`{${text.join(',')}}`)?.[1];
    });
    const [first] = all.filter((value) => value !== undefined).toSorted();
    values[name] = chosen[name] ?? first ?? '';
    if (!all.includes(values[name]))
      throw new RangeError(`Cannot choose ${name} ${values[name]}: there are ${all.join(', ')}`);
  }
  return values;
}

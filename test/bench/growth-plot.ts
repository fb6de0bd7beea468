import { compile, type TopLevelSpec } from 'vega-lite';
import { parse, View } from 'vega';

/** A point of a line: something that grows, and what it costs. */
export interface Cost {
  /** What is on the x axis, with a plot for each: entries, edges, pods, nodes. */
  readonly of: string;
  readonly size: number;
  /** Name of the line. */
  readonly what: string;
  readonly cost: number;
  readonly unit: string;
}

const PLOT_WIDTH = 300;
const PLOT_HEIGHT = 190;
const COLUMNS = 2;
/** Readable on white and on black alike. */
const COLOURS = ['#3b82c4', '#d97706', '#3f9d5c', '#b2609f', '#7c7c7c'];
/** Text and lines take the colour of the page's text: see STYLE. */
const INK = 'currentColor';
const STYLE =
  '<style>svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}</style>';

/** How the cost grows, in an SVG with a plot for each of what grows. */
export async function drawGrowth(costs: readonly Cost[]): Promise<string> {
  const plots = [...new Set(costs.map(({ of }) => of))].toSorted().map((of) =>
    plotOf(
      of,
      costs.filter((cost) => cost.of === of),
    ),
  );
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'transparent',
    columns: COLUMNS,
    concat: plots,
    resolve: { scale: { color: 'independent' } },
    config: {
      font: 'sans-serif',
      view: { stroke: 'transparent' },
      axis: {
        labelColor: INK,
        titleColor: INK,
        domainColor: INK,
        tickColor: INK,
        gridColor: INK,
        gridOpacity: 0.15,
        labelFontSize: 11,
        titleFontSize: 12,
      },
      legend: { labelColor: INK, titleColor: INK, labelFontSize: 11, labelLimit: 260 },
      range: { category: COLOURS },
    },
  };
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg.replace(/^(<svg[^>]*>)/, `$1${STYLE}`);
}

function plotOf(of: string, costs: readonly Cost[]) {
  const sizes = [...new Set(costs.map(({ size }) => size))].toSorted((a, b) => a - b);
  return {
    width: PLOT_WIDTH,
    height: PLOT_HEIGHT,
    data: {
      values: costs.map(({ size, what, cost, unit }) => ({ size, what: `${what}, ${unit}`, cost })),
    },
    mark: { type: 'line' as const, point: { size: 45 }, strokeWidth: 2 },
    encoding: {
      x: {
        field: 'size',
        type: 'quantitative' as const,
        title: of,
        axis: { values: sizes, format: ',d', labelOverlap: 'greedy' as const, grid: false },
      },
      y: {
        field: 'cost',
        type: 'quantitative' as const,
        title: null,
        scale: { zero: true },
      },
      color: {
        field: 'what',
        type: 'nominal' as const,
        title: null,
        legend: { orient: 'top' as const, direction: 'vertical' as const },
      },
    },
  };
}

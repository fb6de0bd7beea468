import { drawPlots } from './draw-plots.ts';

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

/** How the cost grows, in an SVG with a plot for each of what grows. */
export async function drawGrowth(costs: readonly Cost[]): Promise<string> {
  const plots = [...new Set(costs.map(({ of }) => of))].toSorted().map((of) =>
    plotOf(
      of,
      costs.filter((cost) => cost.of === of),
    ),
  );
  return drawPlots(plots, { columns: COLUMNS });
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

import { drawPlots } from './draw-plots.ts';

const PLOT_WIDTH = 700;
const PLOT_HEIGHT = 100;

export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

interface Curve {
  readonly name: string;
  readonly values: readonly number[];
}

/** One panel below the other; `minutes` is when each value was taken. Every panel begins at 0. */
export async function drawPanels(
  minutes: readonly number[],
  panels: readonly Panel[],
): Promise<string> {
  return drawPlots(
    panels.map((panel) => plotOf(minutes, panel)),
    { columns: 1 },
  );
}

function plotOf(minutes: readonly number[], { title, curves }: Panel) {
  return {
    title,
    width: PLOT_WIDTH,
    height: PLOT_HEIGHT,
    data: {
      values: curves.flatMap(({ name, values }) =>
        values.map((value, at) => ({ name, value, minute: minutes[at] })),
      ),
    },
    mark: { type: 'line' as const, strokeWidth: 1.5 },
    encoding: {
      x: {
        field: 'minute',
        type: 'quantitative' as const,
        title: 'minutes',
        axis: { grid: false },
      },
      y: { field: 'value', type: 'quantitative' as const, title: null, scale: { zero: true } },
      color: {
        field: 'name',
        type: 'nominal' as const,
        sort: null,
        title: null,
        legend: { orient: 'right' as const },
      },
    },
  };
}

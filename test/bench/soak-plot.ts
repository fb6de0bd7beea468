/** A plot of samples over time as SVG, in colours that can be read on white and on black. */

export interface Curve {
  readonly name: string;
  readonly colour: string;
  readonly values: readonly number[];
}

export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

export const BLUE = '#3b82f6';
export const ORANGE = '#d97706';

const TEXT = '#808890';
const GRID = '#80889040';
const WIDTH = 860;
const LEFT = 60;
const RIGHT = 20;
const PANEL_HEIGHT = 150;
const PLOT_HEIGHT = 100;
const PLOT_TOP = 28;
const TICKS = 4;

/** One panel below the other; `minutes` is when each value was taken. Every panel begins at 0. */
export function drawPanels(minutes: readonly number[], panels: readonly Panel[]): string {
  const height = panels.length * PANEL_HEIGHT + 30;
  const last = Math.max(1, minutes.at(-1) ?? 1);
  const x = (minute: number) => LEFT + (minute / last) * (WIDTH - LEFT - RIGHT);
  const drawn = panels.map((panel, at) =>
    drawPanel(panel, { top: at * PANEL_HEIGHT + PLOT_TOP, minutes, x }),
  );
  const step = niceStep(last / 6);
  const times = multiplesOf(step, last).map((minute) =>
    text(x(minute), height - 18, `${minute} min`, 'middle'),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="${TEXT}">`,
    ...drawn.flat(),
    ...times,
    '</svg>\n',
  ].join('\n');
}

function drawPanel(
  { title, curves }: Panel,
  {
    top,
    minutes,
    x,
  }: {
    readonly top: number;
    readonly minutes: readonly number[];
    readonly x: (minute: number) => number;
  },
): string[] {
  const most = Math.max(1e-9, ...curves.flatMap(({ values }) => values));
  const step = niceStep(most / TICKS);
  const limit = step * Math.ceil(most / step);
  const y = (value: number) => top + PLOT_HEIGHT * (1 - value / limit);
  const grid = multiplesOf(step, limit).flatMap((value) => [
    `<path d="M${LEFT} ${y(value).toFixed(1)}H${WIDTH - RIGHT}" stroke="${GRID}"/>`,
    text(LEFT - 8, y(value) + 4, value.toLocaleString('en'), 'end'),
  ]);
  const lines = curves.map(({ colour, values }) => {
    const points = values.map(
      (value, at) => `${x(minutes[at] ?? 0).toFixed(1)} ${y(value).toFixed(1)}`,
    );
    return `<path d="M${points.join('L')}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  });
  let nameAt = WIDTH - RIGHT;
  const names = curves.toReversed().map(({ name, colour }) => {
    const named = text(nameAt, top - 10, name, 'end', colour);
    nameAt -= 8 * name.length + 16;
    return named;
  });
  return [text(LEFT, top - 10, title, 'start'), ...grid, ...lines, ...names];
}

function text(x: number, y: number, content: string, anchor: string, colour = TEXT): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${colour}">${content}</text>`;
}

/** 1, 2 or 5 times a power of ten, at least. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10);
}

function multiplesOf(step: number, limit: number): number[] {
  const count = Math.floor(limit / step + 1e-9) + 1;
  return Array.from({ length: count }, (_, at) => Number((at * step).toPrecision(6)));
}

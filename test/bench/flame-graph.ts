import type { Frame } from './cpu-profile.ts';

export interface ThreadCalls {
  /** Above its graph. */
  readonly title: string;
  readonly root: Frame;
}

const WIDTH = 1200;
const ROW_HEIGHT = 17;
const TITLE_HEIGHT = 26;
const GAP = 14;
const FONT_SIZE = 11;
/** Of a letter of the font. */
const LETTER_WIDTH = 6.7;
/** A frame that is narrower is left out with all that it calls. */
const FRAME_WIDTH_MIN = 3;
/** Below are the modules that a module loads. */
const ROWS_MAX = 30;

/** Where a frame is from, by how its place begins: the first that fits. */
const KINDS: readonly { readonly label: string; readonly colour: string; readonly is: RegExp }[] = [
  { label: 'khan', colour: '#f2a65a', is: /^src\// },
  { label: 'Node.js', colour: '#9ccc8f', is: /^node:/ },
  { label: 'V8, system calls, garbage collection', colour: '#c3c6cb', is: /^$/ },
  { label: 'packages', colour: '#8fb8de', is: /^/ },
];
const STYLE = `svg{color:#1f2328;font:${FONT_SIZE}px monospace}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}.t{font:13px sans-serif;fill:currentColor}rect{stroke:#fff;stroke-width:.4}`;

/** A graph for each thread, one below the other: callers above what they call, widths by time. */
export function flameGraph(threads: readonly ThreadCalls[]): string {
  const parts: string[] = [legend()];
  let top = TITLE_HEIGHT;
  for (const { title, root } of threads) {
    parts.push(`<text class="t" x="2" y="${top + 17}">${escaped(title)}</text>`);
    top += TITLE_HEIGHT;
    const rows = draw(root, { x: 0, y: top, usPerPixel: root.totalUs / WIDTH, whole: root }, parts);
    top += rows * ROW_HEIGHT + GAP;
  }
  const size = `width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}><style>${STYLE}</style>\n${parts.join('\n')}\n</svg>\n`;
}

/** Of what the frame calls, from left to right by name; returns how many rows it takes. */
function draw(
  frame: Frame,
  {
    x,
    y,
    usPerPixel,
    whole,
    depth = 0,
  }: {
    readonly x: number;
    readonly y: number;
    readonly usPerPixel: number;
    readonly whole: Frame;
    readonly depth?: number;
  },
  parts: string[],
): number {
  if (depth === ROWS_MAX) return 0;
  let rows = 0;
  let left = x;
  const children = [...frame.children.values()].toSorted((a, b) => b.totalUs - a.totalUs);
  for (const child of children) {
    const width = child.totalUs / usPerPixel;
    if (width < FRAME_WIDTH_MIN) break;
    parts.push(rectangle(child, { x: left, y, width, share: child.totalUs / whole.totalUs }));
    const below = { x: left, y: y + ROW_HEIGHT, usPerPixel, whole, depth: depth + 1 };
    rows = Math.max(rows, 1 + draw(child, below, parts));
    left += width;
  }
  return rows;
}

function rectangle(
  { name, place }: Frame,
  {
    x,
    y,
    width,
    share,
  }: { readonly x: number; readonly y: number; readonly width: number; readonly share: number },
): string {
  const colour = KINDS.find(({ is }) => is.test(place))?.colour;
  const letters = Math.floor((width - 4) / LETTER_WIDTH);
  const label = name.length > letters ? `${name.slice(0, Math.max(0, letters - 1))}…` : name;
  const text =
    letters < 3 ? '' : `<text x="${round(x + 2)}" y="${y + 12}">${escaped(label)}</text>`;
  const title = `${name} ${place} ${(100 * share).toFixed(1)} %`.replace('  ', ' ');
  const box = `x="${round(x)}" y="${y}" width="${round(width)}" height="${ROW_HEIGHT - 1}"`;
  return `<g><title>${escaped(title)}</title><rect ${box} fill="${colour}"/>${text}</g>`;
}

function legend(): string {
  let x = 2;
  return KINDS.map(({ label, colour }) => {
    const at = x;
    x += 30 + 8 * label.length;
    return `<rect x="${at}" y="5" width="12" height="12" fill="${colour}"/><text class="t" x="${at + 17}" y="16">${label}</text>`;
  }).join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

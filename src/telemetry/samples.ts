/** Samples of a Prometheus text page (exposition format 0.0.4). A line that is none is an error. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/s;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/y;
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]?Inf|NaN)$/i;
const ESCAPED: Readonly<Record<string, string>> = { '\\n': '\n', '\\"': '"', '\\\\': '\\' };

/** One after the other: a page may have 100,000, and hardly anybody needs all of them at once. */
export function* samplesOf(page: string): Generator<Sample, void> {
  let start = 0;
  for (let number = 1; start < page.length; number++) {
    const lineEnd = page.indexOf('\n', start);
    const end = lineEnd < 0 ? page.length : lineEnd;
    const line = page.slice(start, end);
    start = end + 1;
    if (line === '' || line.startsWith('#')) continue;
    const sample = parseSample(line);
    if (sample === undefined)
      throw new SyntaxError(`Cannot read line ${number} of the page: ${line}`);
    yield sample;
  }
}

/** All of them, for a page that is known to be small. */
export function parsePage(page: string): readonly Sample[] {
  return [...samplesOf(page)];
}

function parseSample(line: string): Sample | undefined {
  const [, name, labelText = '', valueText = ''] = SAMPLE.exec(line) ?? [];
  const labels = parseLabels(labelText);
  if (name === undefined || labels === undefined || !NUMBER.test(valueText)) return undefined;
  return { name, labels, value: Number(valueText.replace(/inf$/i, 'Infinity')) };
}

function parseLabels(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  let end = 0;
  while (end < text.length) {
    LABEL.lastIndex = end;
    const [, name, value] = LABEL.exec(text) ?? [];
    if (name === undefined || value === undefined || Object.hasOwn(labels, name)) return undefined;
    labels[name] = value.includes('\\')
      ? value.replaceAll(/\\./g, (escape) => ESCAPED[escape] ?? escape)
      : value;
    end = LABEL.lastIndex;
  }
  return labels;
}

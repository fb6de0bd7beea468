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

export function parsePage(page: string): readonly Sample[] {
  const samples: Sample[] = [];
  for (const [index, line] of page.split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    const sample = parseSample(line);
    if (sample === undefined)
      throw new SyntaxError(`Cannot read line ${index + 1} of the page: ${line}`);
    samples.push(sample);
  }
  return samples;
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
    if (name === undefined || value === undefined || name in labels) return undefined;
    labels[name] = value.replaceAll(/\\./g, (escape) => ESCAPED[escape] ?? escape);
    end = LABEL.lastIndex;
  }
  return labels;
}

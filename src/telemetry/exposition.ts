/**
 * The two formats of a Prometheus page: the text format 0.0.4, which everybody reads, and OpenMetrics
 * 1.0 (the OpenMetrics specification of the CNCF; IETF draft-richih-opsawg-openmetrics).
 */

export type Format = 'text' | 'openmetrics';

const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

export function contentType(format: Format): string {
  return CONTENT_TYPES[format];
}

/**
 * The format that a client likes better: OpenMetrics only where it is named, since a client that takes
 * anything is a person or a script. Source: RFC 9110, 12.5.1.
 */
export function chooseFormat(accept: string | undefined): Format {
  let text = 0;
  let openMetrics = 0;
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const valueOf = (name: string) =>
      parameters.find((parameter) => parameter.startsWith(`${name}=`))?.slice(name.length + 1);
    const quality = Number(valueOf('q') ?? 1) || 0;
    const version = valueOf('version') ?? '1.0.0';
    if (type === 'application/openmetrics-text' && version === '1.0.0') {
      openMetrics = Math.max(openMetrics, quality);
    } else if (['text/plain', 'text/*', '*/*'].includes(type)) {
      text = Math.max(text, quality);
    }
  }
  return openMetrics > 0 && openMetrics >= text ? 'openmetrics' : 'text';
}

/** What stands before the samples of a metric. A counter's samples end with `_total`, its name in OpenMetrics does not. */
export function metadataOf(
  { name, help, type }: { readonly name: string; readonly help: string; readonly type: string },
  format: Format,
): string {
  const family = format === 'text' && type === 'counter' ? `${name}_total` : name;
  return `# HELP ${family} ${escapeHelp(help, format)}\n# TYPE ${family} ${type}\n`;
}

export function endOf(format: Format): string {
  return format === 'openmetrics' ? '# EOF\n' : '';
}

/** What the stock serialiser writes in the place of metrics, without a line end. */
const NOTHING = /^# no registered metrics$/m;

/**
 * A page of the stock serialiser, or the same in the other format: counters are named without `_total`, target_info
 * is an info, and a unit is only told where the name ends with it. Samples are the same in both.
 */
export function fromText(text: string, format: Format): string {
  const page = text.replace(NOTHING, '');
  if (format === 'text') return page;
  const counters = new Set(
    [...page.matchAll(/^# TYPE (?<name>\S+)_total counter$/gm)].map(
      ({ groups }) => groups?.['name'],
    ),
  );
  return page.replaceAll(
    /^# (?<word>HELP|TYPE|UNIT) (?<name>\S+)(?: (?<rest>.*))?\n/gm,
    (_line, word: string, name: string, rest = '') => {
      const bare = name.replace(/_total$/, '');
      const family = name === 'target_info' ? 'target' : counters.has(bare) ? bare : name;
      if (word === 'HELP') return `# HELP ${family} ${escapeQuotes(rest)}\n`;
      if (word === 'TYPE') return `# TYPE ${family} ${family === 'target' ? 'info' : rest}\n`;
      return family.endsWith(`_${rest}`) ? `# UNIT ${family} ${rest}\n` : '';
    },
  );
}

function escapeHelp(help: string, format: Format): string {
  const escaped = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return format === 'openmetrics' ? escapeQuotes(escaped) : escaped;
}

function escapeQuotes(text: string): string {
  return text.replaceAll('"', '\\"');
}

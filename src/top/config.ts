import { logLevel } from '../runtime/log.ts';
import {
  choice,
  duration,
  flag,
  integer,
  list,
  SettingsError,
  text,
  type SettingsOf,
} from '../runtime/settings.ts';
import { SORT_NAMES } from './columns.ts';
import { GROUPINGS } from './grouping.ts';

const HOUR_MS = 3_600_000;

export const topSettings = {
  agent: list({
    type: 'list of URLs',
    parse: parseAgentUrl,
    default: 'http://127.0.0.1:9464',
    description:
      'Running agents to read, /metrics unless a path is given; of several, each connection counts once',
  }),
  kernel: flag({
    description: 'Read the table of this machine instead, without a running agent',
  }),
  netns: text({
    description: 'With --kernel: path of the network namespace to read; else the own one',
  }),
  'inventory-file': text({
    description: 'With --kernel: YAML or JSON file that says who owns which address',
  }),
  by: choice({
    choices: GROUPINGS,
    default: 'edge',
    description:
      'What a row is: source, destination and port; or all connections that have one of these in common',
  }),
  sort: {
    ...choice({
      choices: SORT_NAMES,
      default: 'active',
      description: `Column to sort by, the largest number first: ${SORT_NAMES.join(', ')}`,
    }),
    type: 'column',
  },
  filter: text({
    description: 'Rows with each of these words in a name, address, port or other label',
  }),
  limit: integer({
    default: 1000,
    min: 1,
    max: 1_000_000,
    unit: 'rows',
    description: 'Rows to print or to scroll through',
  }),
  interval: duration({
    default: '2s',
    minMs: 500,
    maxMs: HOUR_MS,
    description: 'Time between two looks at the pages, or with --kernel between two snapshots',
  }),
  once: flag({ description: 'Look twice, one interval apart, print the table and exit' }),
  json: flag({ description: 'With --once: print one JSON object in the place of the table' }),
  // A log would write over the table.
  'log-level': { ...logLevel(), default: 'fatal', defaultText: 'fatal' },
} as const;

export type TopSettings = SettingsOf<typeof topSettings>;

/** Throws a SettingsError with all that does not go together. */
export function checkSettings(settings: TopSettings): void {
  const { agent, json, once, kernel } = settings;
  const faults: string[] = [];
  if (json && !once) faults.push('--json: only with --once');
  if (!kernel && agent.length === 0) faults.push('--agent: none given, and no --kernel');
  const hrefs = agent.map(({ href }) => href);
  const twice = hrefs.filter((href, at) => hrefs.indexOf(href) < at);
  for (const href of new Set(twice)) faults.push(`--agent: ${href} is given more than once`);
  if (faults.length > 0) throw new SettingsError(faults);
}

function parseAgentUrl(input: string): URL {
  const url = URL.parse(input);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Error(`${input} is not a URL such as http://127.0.0.1:9464`);
  }
  if (url.username !== '' || url.password !== '') throw new Error('a URL with a password in it');
  if (url.pathname === '/') url.pathname = '/metrics';
  return url;
}

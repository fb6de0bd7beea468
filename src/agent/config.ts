import { hostname } from 'node:os';
import { DEFAULT_EXCLUDE, parseExclude } from '../connections/exclude.ts';
import { OPTIONAL_SIGNALS } from '../connections/row-measures.ts';
import { listenAddress } from '../runtime/http-server.ts';
import { logLevel } from '../runtime/log.ts';
import {
  choice,
  duration,
  flag,
  integer,
  list,
  oneOf,
  SettingsError,
  text,
  type SettingsOf,
} from '../runtime/settings.ts';
import { ATTRIBUTE_GROUPS, DROPPABLE } from '../telemetry/attributes.ts';
import { parseExternalPrefix, WHOLE_ADDRESS } from '../telemetry/external-prefix.ts';
import { OTLP_NAMES } from '../telemetry/standard-names.ts';

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;

export const agentSettings = {
  'node-name': text({
    default: hostname(),
    description: "Name of this node, as the inventory knows it; the host's name unless given",
  }),
  'poll-interval': duration({
    default: '30s',
    minMs: SECOND_MS / 5,
    maxMs: HOUR_MS,
    description: 'Time between two snapshots of the connection tracking table',
  }),
  'cpu-share-max': integer({
    default: 2,
    min: 0,
    max: 100,
    unit: '% of a core',
    description:
      'Processor time for snapshots: those that cost more are taken less often, each 5m at least; 0: no limit',
  }),
  listen: listenAddress({
    default: '0.0.0.0:9464',
    description: 'Where /metrics, /khan, /livez and /readyz are served',
  }),
  netns: text({
    description: 'Path of the network namespace to read, such as /run/netns/NAME; else the own one',
  }),
  events: choice({
    choices: ['none', 'destroy'],
    default: 'none',
    description:
      'Beside the snapshots follow what ends, so that connections shorter than a poll are counted too',
  }),
  'inventory-file': text({
    description: 'YAML or JSON file that says who owns which address; read again when it changes',
  }),
  'controller-url': text({
    description: 'Controller to ask who owns which address, such as http://127.0.0.1:8080',
  }),
  'controller-token-file': text({
    description: 'ServiceAccount token to show to the controller; read again for each question',
  }),
  'controller-ca-file': text({
    description: "PEM certificates that may have signed the controller's; read again on change",
  }),
  'controller-cert-file': text({
    description: 'PEM certificate to show to a controller that asks for one; read again on change',
  }),
  'controller-key-file': text({ description: 'PEM key of --controller-cert-file' }),
  'series-ttl': duration({
    default: '10m',
    minMs: SECOND_MS,
    maxMs: 24 * HOUR_MS,
    description: 'A series without connections is forgotten after this time',
  }),
  'series-max': integer({
    default: 20_000,
    min: 1,
    max: 1_000_000,
    unit: 'series',
    description:
      'Attribute sets that are kept apart; the connections of others go to overflow series',
  }),
  'attribute-groups': list({
    type: `list of ${ATTRIBUTE_GROUPS.join(', ')}`,
    parse: oneOf(ATTRIBUTE_GROUPS),
    default: 'none',
    description:
      'Attributes beside the base ones: who answered behind a service, the workloads, the zones',
  }),
  'drop-attributes': list({
    type: 'list of attributes',
    parse: oneOf(DROPPABLE),
    default: 'none',
    description:
      'Attributes to leave out: connections that differ in nothing else share a series. Any but primary',
  }),
  signals: list({
    type: `list of ${OPTIONAL_SIGNALS.join(', ')}`,
    parse: oneOf(OPTIONAL_SIGNALS),
    default: OPTIONAL_SIGNALS.join(','),
    description: 'What is told of connections beside how many are opened, closed and there now',
  }),
  'leak-window': duration({
    default: '30m',
    minMs: SECOND_MS,
    maxMs: 24 * HOUR_MS,
    description:
      'Idle connections that pile up for so long are a leak, and busy ones for eight times as long',
  }),
  'created-timestamps': flag({
    description:
      'Tell in OpenMetrics since when each connection counter has counted, in a line of its own each',
  }),
  'external-prefix': {
    type: 'IPv4/IPv6 prefix length',
    default: WHOLE_ADDRESS,
    defaultText: `${WHOLE_ADDRESS.ipv4}/${WHOLE_ADDRESS.ipv6}`,
    description:
      'How much is told of an address outside the cluster, such as 24/64; 0/0 tells none of it',
    parse: parseExternalPrefix,
  },
  'otlp-names': choice({
    choices: OTLP_NAMES,
    default: 'khan',
    description:
      'Names of metrics and attributes over OTLP: those of the Prometheus page, or the standard ones',
  }),
  'state-dir': text({
    description:
      'Directory in which counters and connections are kept over a restart, made if need be; none unless given',
  }),
  exclude: list({
    type: 'list of CIDR, transport, transport/port or port',
    parse: parseExclude,
    default: DEFAULT_EXCLUDE.join(','),
    description: 'Connections to leave out; what is left out is counted. Replaces the default',
  }),
  once: flag({
    description: 'Take two snapshots one poll interval apart, print the Prometheus page and exit',
  }),
  'log-level': logLevel(),
} as const;

export type AgentSettings = SettingsOf<typeof agentSettings>;

/** Throws a SettingsError with all that does not go together. */
export function checkSettings(settings: AgentSettings): void {
  const faults: string[] = [];
  const given = (name: keyof AgentSettings) => settings[name] !== undefined;
  if (given('inventory-file') && given('controller-url')) {
    faults.push('--inventory-file and --controller-url: only one of them');
  }
  const isClearText = /^http:/i.test(settings['controller-url'] ?? '');
  for (const name of ['token', 'ca', 'cert', 'key'] as const) {
    const setting = `controller-${name}-file` as const;
    if (!given(setting)) continue;
    if (!given('controller-url')) {
      faults.push(`--${setting}: missing --controller-url, whom it is for`);
    } else if (isClearText && name !== 'token') {
      faults.push(`--${setting}: --controller-url is not an https URL`);
    }
  }
  if (given('controller-cert-file') !== given('controller-key-file')) {
    faults.push('--controller-cert-file and --controller-key-file: only together');
  }
  if (faults.length > 0) throw new SettingsError(faults);
}

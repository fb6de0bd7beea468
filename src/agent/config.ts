import { hostname } from 'node:os';
import { DEFAULT_EXCLUDE, parseExclude } from '../connections/exclude.ts';
import { listenAddress } from '../runtime/http-server.ts';
import { logLevel } from '../runtime/log.ts';
import { duration, flag, integer, list, text, type SettingsOf } from '../runtime/settings.ts';

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
  listen: listenAddress({
    default: '0.0.0.0:9464',
    description: 'Where /metrics, /khan, /livez and /readyz are served',
  }),
  netns: text({
    description: 'Path of the network namespace to read, such as /run/netns/NAME; else the own one',
  }),
  'inventory-file': text({
    description: 'YAML or JSON file that says who owns which address; read again when it changes',
  }),
  'controller-url': text({
    description: 'Controller to ask who owns which address, such as http://127.0.0.1:8080',
  }),
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

import { listenAddress } from '../runtime/http-server.ts';
import { logLevel } from '../runtime/log.ts';
import { duration, text, type SettingsOf } from '../runtime/settings.ts';

export const controllerSettings = {
  'inventory-file': text({
    description:
      'YAML or JSON file that says who owns which address; read again when it changes. Required',
  }),
  listen: listenAddress({
    default: '127.0.0.1:8080',
    description: 'Where /v1/resolve, /metrics, /livez and /readyz are served',
  }),
  'poll-interval': duration({
    default: '30s',
    minMs: 200,
    maxMs: 3_600_000,
    description: 'How long agents are told to wait until they ask about the same addresses again',
  }),
  'log-level': logLevel(),
} as const;

export type ControllerSettings = SettingsOf<typeof controllerSettings>;

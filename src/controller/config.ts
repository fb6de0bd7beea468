import { listenAddress } from '../runtime/http-server.ts';
import { logLevel } from '../runtime/log.ts';
import {
  choice,
  duration,
  flag,
  list,
  SettingsError,
  text,
  type SettingsOf,
} from '../runtime/settings.ts';

export const controllerSettings = {
  source: choice({
    choices: ['kubernetes', 'file'],
    default: 'kubernetes',
    description: 'What says who owns which address: the Kubernetes API server or --inventory-file',
  }),
  kubeconfig: text({
    description: 'How to reach the API server; without it, as the pod in which this runs',
  }),
  'kube-context': text({ description: 'Context of --kubeconfig; its current one unless given' }),
  'inventory-file': text({
    description:
      'YAML or JSON file with addresses and ranges; read again when it changes. Beside Kubernetes ' +
      'it names what the API server does not know, such as networks outside',
  }),
  listen: listenAddress({
    default: '0.0.0.0:8443',
    description: 'Where agents ask: /v1/resolve, /v1/inventory and /openapi.json',
  }),
  tls: choice({
    choices: ['on', 'off'],
    default: 'on',
    description: 'Off: agents ask in clear text, and their tokens can be read on the way',
  }),
  'tls-cert-file': text({ description: 'PEM certificates of --listen; read again on change' }),
  'tls-key-file': text({ description: 'PEM key of --tls-cert-file; read again on change' }),
  'tls-client-ca-file': text({
    description: 'PEM certificates; whoever asks must show a certificate that they have signed',
  }),
  auth: choice({
    choices: ['token', 'none'],
    default: 'token',
    description: 'Token: who asks is known by a ServiceAccount token, which the API server reviews',
  }),
  'service-accounts': list({
    type: 'list of namespace/name',
    parse: parseServiceAccount,
    default: '',
    description: 'ServiceAccounts that may ask. Required with --auth token',
  }),
  'token-audience': text({
    default: 'khan-controller',
    description: 'Audience that a token must have',
  }),
  'connection-max-age': duration({
    default: '10m',
    minMs: 1000,
    maxMs: 24 * 3_600_000,
    description: 'A connection ends after this time, a fifth more or less, so that agents spread',
  }),
  'original-cache': flag({
    description:
      'Serve GET /cache, the whole inventory in the format of the original khan, to everybody who ' +
      'reaches --listen',
  }),
  'metrics-listen': listenAddress({
    default: '0.0.0.0:9464',
    description: 'Where /metrics, /livez and /readyz are served',
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

/** Throws a SettingsError with all that does not go together. */
export function checkSettings(settings: ControllerSettings): void {
  const { source, tls, auth } = settings;
  const isFile = source === 'file';
  const isOpen = auth === 'none';
  const isClear = tls === 'off';
  const lacks = (name: keyof ControllerSettings) => settings[name] === undefined;
  const has = (name: keyof ControllerSettings) => !lacks(name);
  const hasAccounts = settings['service-accounts'].length > 0;
  const rules: readonly (readonly [isBroken: boolean, fault: string])[] = [
    [isFile && lacks('inventory-file'), '--inventory-file: missing, --source file needs it'],
    [isFile && has('kubeconfig'), '--kubeconfig: --source file asks no API server'],
    [isFile && !isOpen, '--auth token: needs --source kubernetes, whose API server reviews tokens'],
    [
      has('kube-context') && lacks('kubeconfig'),
      '--kube-context: missing --kubeconfig, which has the contexts',
    ],
    [!isClear && lacks('tls-cert-file'), '--tls-cert-file: missing, --tls on needs it'],
    [!isClear && lacks('tls-key-file'), '--tls-key-file: missing, --tls on needs it'],
    // Who gives these means to be safe, and would not be.
    [isClear && has('tls-cert-file'), '--tls-cert-file: --tls off shows no certificate'],
    [isClear && has('tls-key-file'), '--tls-key-file: --tls off shows no certificate'],
    [
      isClear && has('tls-client-ca-file'),
      '--tls-client-ca-file: --tls off asks for no certificates',
    ],
    [isOpen && hasAccounts, '--service-accounts: --auth none asks nobody who they are'],
    [!isOpen && !isFile && !hasAccounts, '--service-accounts: missing, --auth token needs it'],
  ];
  const faults = rules.filter(([isBroken]) => isBroken).map(([, fault]) => fault);
  if (faults.length > 0) throw new SettingsError(faults);
}

function parseServiceAccount(item: string): string {
  // RFC 1123 labels; the name may have dots.
  if (/^[a-z\d]([-a-z\d]*[a-z\d])?\/[a-z\d]([-.a-z\d]*[a-z\d])?$/.test(item)) return item;
  throw new Error(`${item} is not namespace/name`);
}

import { logLevel } from '../runtime/log.ts';
import { type SettingsOf, duration, flag, integer } from '../runtime/settings.ts';

export const demoSettings = {
  seconds: integer({
    default: 0,
    min: 0,
    max: 86_400,
    unit: 'seconds',
    description: 'End after this time and compare with the truth; 0 runs until Ctrl-C',
  }),
  json: flag({ description: 'Print one JSON object at the end and nothing else' }),
  'poll-interval': duration({
    default: '2s',
    minMs: 1000,
    // A connection that was reset stays in the table for 10 s (nf_conntrack_tcp_timeout_close).
    maxMs: 5000,
    description: 'Time between two snapshots of each agent',
  }),
  // The agents and the controller log to the same terminal, where a leak that is found would disturb the table.
  'log-level': { ...logLevel(), default: 'error', defaultText: 'error' },
} as const;

export type DemoSettings = SettingsOf<typeof demoSettings>;

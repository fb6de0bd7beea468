import { readFileSync, statSync } from 'node:fs';
import type { AgentSettings } from './config.ts';

const OWN_NAMESPACE = '/proc/self/ns/net';
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** A wall clock may be set a little. */
const CLOCK_STEP_MS_MAX = 60_000;

/** The settings that decide which series there are: with others, a counter would stand for something else. */
const DECISIVE = [
  'attribute-groups',
  'drop-attributes',
  'external-prefix',
  'exclude',
  'signals',
] as const satisfies readonly (keyof AgentSettings)[];

/** What a state is true of. */
export interface StateTerms {
  readonly node: string;
  /** Device and inode number; they say nothing beyond the boot. */
  readonly networkNamespace: string;
  readonly boot: string;
  /** As JSON, by their names. */
  readonly settings: Readonly<Record<string, string>>;
}

export function currentTerms(settings: AgentSettings): StateTerms {
  const namespace = statSync(settings.netns ?? OWN_NAMESPACE, { throwIfNoEntry: false });
  return {
    node: settings['node-name'],
    networkNamespace: `${namespace?.dev}:${namespace?.ino}`,
    boot: readFileSync(BOOT_ID, 'latin1').trim(),
    settings: Object.fromEntries(DECISIVE.map((name) => [name, decisiveText(name, settings)])),
  };
}

function decisiveText(name: (typeof DECISIVE)[number], settings: AgentSettings): string {
  // All other signals are counted afresh in each snapshot.
  if (name === 'signals') return JSON.stringify(settings.signals.includes('traffic'));
  return JSON.stringify(settings[name]);
}

/**
 * Why a state of these terms does not fit the present ones; undefined when it does.
 *
 * Another boot is no reason: it begins with an empty table, so all connections of the state have ended,
 * and all that are there have been opened since. The next dump says just that.
 */
export function misfitOf(
  saved: StateTerms & { readonly takenAtMs: number },
  now: StateTerms & { readonly nowMs: number },
): string | undefined {
  if (saved.node !== now.node) return `it is of the node ${saved.node}`;
  if (saved.boot === now.boot && saved.networkNamespace !== now.networkNamespace) {
    return 'it is of another network namespace';
  }
  const changed = DECISIVE.filter((name) => saved.settings[name] !== now.settings[name]);
  if (changed.length > 0) {
    return `other settings decide which series there are: --${changed.join(', --')}`;
  }
  if (saved.takenAtMs > now.nowMs + CLOCK_STEP_MS_MAX) {
    return `it is of ${new Date(saved.takenAtMs).toISOString()}, and the clock says that this is to come`;
  }
  return undefined;
}

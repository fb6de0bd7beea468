import type { Interruption } from './interruption.ts';

/** Hears what a reflector does. */
export interface ReflectorObserver {
  event(kind: string, type: string): void;
  /** All objects were read. */
  listed(kind: string, how: { readonly by: 'stream' | 'pages'; readonly reason: string }): void;
  /** A watch or list ended before the reflector was told to. */
  interrupted(kind: string, reason: Interruption): void;
  /** An object could not be taken in; the others go on. */
  rejected(kind: string): void;
}

export interface ReflectorStatus {
  readonly kind: string;
  /** All objects have been read once. */
  readonly synced: boolean;
  /** Since when nothing works, in ms since the epoch; undefined while it does. */
  readonly failingSinceMs: number | undefined;
  /** When the API server was heard of last, in ms since the epoch. */
  readonly lastContactMs: number | undefined;
  readonly objects: number;
}

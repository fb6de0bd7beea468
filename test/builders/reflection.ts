import { join } from 'node:path';
import type { Test } from 'tap';
import { ClusterClient } from '../../src/cluster/cluster-client.ts';
import { Reflector } from '../../src/cluster/reflector.ts';
import { capturedLog } from '../fakes/captured-log.ts';
import type { KubeApi } from '../fakes/kube-api.ts';
import { kubeconfig } from './kubeconfig.ts';

interface Thing {
  readonly metadata: Readonly<Record<'namespace' | 'name' | 'uid' | 'resourceVersion', string>>;
  readonly spec: { readonly value: string | undefined };
}

/** An object of the kind that {@link reflect} watches; without a value it owns nothing. */
export function thing(
  name: string,
  options: Partial<Record<'resourceVersion' | 'uid' | 'value', string | undefined>> = {},
): Thing {
  const { resourceVersion = '1', uid = `${name}-uid`, value } = { value: name, ...options };
  return { metadata: { namespace: 'ns', name, uid, resourceVersion }, spec: { value } };
}

function valueOf({ spec }: Thing): string | undefined {
  return spec.value;
}

interface Options {
  readonly fieldSelectors?: readonly string[];
  readonly labelSelector?: string;
  keep?(object: unknown): string | undefined;
  readonly put?: (uid: string) => void;
  /** Of the kubeconfig; it may name `files` in `t.testdirName`. */
  readonly user?: object;
  readonly files?: Readonly<Record<string, string>>;
  readonly silenceMsMax?: number;
  readonly headersMsMax?: number;
  readonly initialEventsMsMax?: number;
  readonly random?: () => number;
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A running reflector, told of in lines such as `put a-uid`, `listed stream start`, `wait 400`. */
export function reflect(t: Test, api: KubeApi, options: Options = {}) {
  const told: string[] = [];
  const objects = new Map<string, string>();
  const clock = { nowMs: 1_000_000 };
  const { log, lines } = capturedLog();
  let seen = 0;
  let waiting: { readonly line: string; readonly resolve: () => void } | undefined;
  const look = (): void => {
    if (waiting === undefined) return;
    const at = told.indexOf(waiting.line, seen);
    if (at < 0) return;
    seen = at + 1;
    waiting.resolve();
    waiting = undefined;
  };
  const tell = (line: string): void => {
    told.push(line);
    look();
  };
  const folder = t.testdir({
    ...options.files,
    kubeconfig: kubeconfig({ server: `http://${api.host}`, user: options.user ?? {} }),
  });
  const { silenceMsMax = 10_000, headersMsMax = 10_000 } = options;
  const reflector = new Reflector({
    client: ClusterClient.load({
      kubeconfig: join(folder, 'kubeconfig'),
      limits: { silenceMsMax, headersMsMax },
    }),
    resource: {
      kind: 'Thing',
      path: '/api/v1/things',
      fieldSelectors: options.fieldSelectors ?? [''],
      labelSelector: options.labelSelector ?? '',
      keep: (object: Thing) =>
        options.keep === undefined ? valueOf(object) : options.keep(object),
    },
    sink: {
      put(uid, value) {
        options.put?.(uid);
        objects.set(uid, value);
        tell(`put ${uid}`);
      },
      remove(uid) {
        objects.delete(uid);
        tell(`remove ${uid}`);
      },
    },
    observer: {
      event: (_kind, type) => tell(`event ${type}`),
      listed: (_kind, { by, reason }) => tell(`listed ${by} ${reason}`),
      interrupted: (_kind, reason) => tell(`interrupted ${reason}`),
      rejected: () => tell('rejected'),
    },
    log,
    now: () => clock.nowMs,
    random: options.random ?? (() => 0.5),
    delay: async (ms, signal) => {
      signal.throwIfAborted();
      tell(`wait ${ms}`);
      await options.delay?.(ms, signal);
    },
    ...(options.initialEventsMsMax !== undefined && {
      initialEventsMsMax: options.initialEventsMsMax,
    }),
  });
  const closing = new AbortController();
  const running = reflector.run(closing.signal);
  const stop = async (): Promise<void> => {
    closing.abort();
    await running;
  };
  t.teardown(stop);
  return {
    reflector,
    told,
    objects,
    clock,
    lines,
    stop,
    /** Resolves when this is told after what was waited for before. */
    until: async (line: string): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting = { line, resolve };
      look();
      await promise;
    },
  };
}

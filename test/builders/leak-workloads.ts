import type { Random } from './random.ts';
import {
  HOUR_MS,
  MINUTE_MS,
  type SimulatedConnection,
  type SimulatedConnections,
} from './simulated-connections.ts';

/** What a client does with its connections, every half minute of simulated time. */
interface Life {
  /** Undefined: it never leaks. */
  readonly leaksFromMs?: number;
  readonly step: (stepMs: number) => void;
}

export interface Workload {
  readonly name: string;
  readonly leaks: boolean;
  readonly hours: number;
  begin(connections: SimulatedConnections, random: Random): Life;
}

type Begin = Workload['begin'];

const DAY_MS = 24 * HOUR_MS;
const IDLE = { packetEveryMs: Infinity };

/** A pool of so many, each of them replaced after some hours. */
function pool(
  connections: SimulatedConnections,
  random: Random,
  like: Partial<SimulatedConnection> = {},
): (size: number) => void {
  return (size) => {
    const { nowMs } = connections;
    if (connections.size > size) connections.close(connections.size - size);
    while (connections.size < size) {
      connections.open({ endMs: nowMs + random.exponential(3 * HOUR_MS), ...like });
    }
  };
}

/** Connections that come at a rate and live for a while. */
function visits(
  connections: SimulatedConnections,
  random: Random,
  { lifeMs, like = {} }: { readonly lifeMs: number; readonly like?: Partial<SimulatedConnection> },
): (perMinute: number, stepMs: number) => void {
  return (perMinute, stepMs) => {
    for (let left = random.poisson((perMinute * stepMs) / MINUTE_MS); left > 0; left--) {
      const openedMs = connections.nowMs - random.between(0, stepMs);
      connections.open({ openedMs, endMs: openedMs + random.exponential(lifeMs), ...like });
    }
  };
}

/** What a client does beside leaking: a pool, or visits at a steady rate. */
function healthy(connections: SimulatedConnections, random: Random): (stepMs: number) => void {
  if (random.next() < 0.5) {
    const size = Math.round(random.betweenLog(5, 100));
    for (let left = size; left > 0; left--) connections.open();
    return () => {};
  }
  const lifeMs = random.betweenLog(MINUTE_MS, 10 * MINUTE_MS);
  const perMinute = (random.betweenLog(5, 200) * MINUTE_MS) / lifeMs;
  const visit = visits(connections, random, { lifeMs });
  return (stepMs) => visit(perMinute, stepMs);
}

/** A leak that begins in the second hour, beside healthy connections. */
function leak(
  perMinute: readonly [least: number, most: number],
  like: (random: Random, nowMs: number) => Partial<SimulatedConnection>,
): Begin {
  return (connections, random) => {
    const leaksFromMs = random.between(1, 2) * HOUR_MS;
    const rate = random.betweenLog(...perMinute);
    const beside = healthy(connections, random);
    return {
      leaksFromMs,
      step: (stepMs) => {
        beside(stepMs);
        const { nowMs } = connections;
        if (nowMs < leaksFromMs) return;
        for (let left = random.poisson((rate * stepMs) / MINUTE_MS); left > 0; left--) {
          connections.open(like(random, nowMs));
        }
      },
    };
  };
}

/** From 1 by day to a fifth by night. */
function timeOfDay(nowMs: number, dawnMs: number): number {
  return 0.6 - 0.4 * Math.cos((2 * Math.PI * (nowMs - dawnMs)) / DAY_MS);
}

function byDay(like: Partial<SimulatedConnection>, lifeMs: readonly [number, number]): Begin {
  return (connections, random) => {
    const mean = random.betweenLog(...lifeMs);
    const perMinute = (random.betweenLog(50, 500) * MINUTE_MS) / mean;
    const visit = visits(connections, random, { lifeMs: mean, like });
    const dawnMs = random.between(0, DAY_MS);
    return {
      step: (stepMs) => visit(perMinute * timeOfDay(connections.nowMs, dawnMs), stepMs),
    };
  };
}

const LEAKS: Readonly<Record<string, Begin>> = {
  'fast leak': leak([2, 20], () => IDLE),
  'slow leak': leak([0.4, 2], () => IDLE),
  'leak, keepalives each 15 s': leak([0.5, 10], () => ({ packetEveryMs: 15_000 })),
  'leak, keepalives every 2 h': leak([0.5, 10], () => ({ packetEveryMs: 2 * HOUR_MS })),
  'server closes, client never (1 h)': leak([0.5, 10], (_, nowMs) => ({
    halfClosedBy: 'server',
    endMs: nowMs + HOUR_MS,
  })),
  'client closes, server never (1 min)': leak([20, 60], (_, nowMs) => ({
    halfClosedBy: 'client',
    endMs: nowMs + MINUTE_MS,
  })),
  'leak, restarted every 2 to 4 h': (connections, random) => {
    const life = leak([1, 10], () => IDLE)(connections, random);
    const everyMs = random.between(2, 4) * HOUR_MS;
    let restartMs = everyMs;
    return {
      ...life,
      step: (stepMs) => {
        life.step(stepMs);
        if (connections.nowMs < restartMs) return;
        restartMs += everyMs;
        connections.close(connections.size);
      },
    };
  },
  'leak under a daily curve': (connections, random) => {
    const traffic = byDay({}, [MINUTE_MS, 10 * MINUTE_MS])(connections, random);
    const rate = random.betweenLog(2, 10);
    const leaksFromMs = random.between(1, 2) * HOUR_MS;
    return {
      leaksFromMs,
      step: (stepMs) => {
        traffic.step(stepMs);
        if (connections.nowMs < leaksFromMs) return;
        const count = random.poisson((rate * stepMs) / MINUTE_MS);
        for (let left = count; left > 0; left--) connections.open(IDLE);
      },
    };
  },
};

const HEALTHY: Readonly<Record<string, Begin>> = {
  'pool, constant': (connections, random) => {
    const fill = pool(connections, random);
    const size = Math.round(random.betweenLog(20, 500));
    return { step: () => fill(size) };
  },
  'pool, idle': (connections, random) => {
    const fill = pool(connections, random, IDLE);
    const size = Math.round(random.betweenLog(20, 500));
    return { step: () => fill(size) };
  },
  'pool, resized every few hours': (connections, random) => {
    const fill = pool(connections, random, random.next() < 0.5 ? IDLE : {});
    let size = Math.round(random.betweenLog(20, 200));
    return {
      step: (stepMs) => {
        if (random.next() < stepMs / (4 * HOUR_MS)) size *= random.betweenLog(0.4, 3);
        size = Math.min(1000, Math.max(10, Math.round(size)));
        fill(size);
      },
    };
  },
  'pool, grows to its peak use': (connections, random) => {
    const fill = pool(connections, random, { ...IDLE, endMs: Infinity });
    const inUse = random.betweenLog(10, 60);
    const limit = Math.round(inUse * random.between(1.1, 3));
    let peak = 0;
    return {
      step: (stepMs) => {
        for (let left = stepMs; left > 0; left -= 5000) {
          peak = Math.max(peak, random.poisson(inUse));
        }
        fill(Math.min(limit, peak));
      },
    };
  },
  'pool, less used in the evening': (connections, random) => {
    const size = Math.round(random.betweenLog(20, 300));
    const dawnMs = random.between(0, DAY_MS);
    const quietFromMs = Array.from({ length: size }, () => 0);
    for (let nth = 0; nth < size; nth++) {
      connections.open({ idleMs: (nowMs) => nowMs - quietFromMs[nth]! });
    }
    return {
      step: () => {
        const { nowMs } = connections;
        const inUse = size * timeOfDay(nowMs, dawnMs);
        for (let nth = 0; nth < inUse; nth++) quietFromMs[nth] = nowMs;
      },
    };
  },
  'visits, steady': (connections, random) => {
    const lifeMs = random.betweenLog(MINUTE_MS, 20 * MINUTE_MS);
    const visit = visits(connections, random, { lifeMs });
    const perMinute = (random.betweenLog(20, 300) * MINUTE_MS) / lifeMs;
    return { step: (stepMs) => visit(perMinute, stepMs) };
  },
  'ramp-up in up to 2 h, busy': (connections, random) => {
    const fill = pool(connections, random, { endMs: Infinity });
    const from = random.betweenLog(5, 50);
    const to = from * random.between(2, 8);
    const begin = random.between(0.5, 2) * HOUR_MS;
    const end = begin + random.between(20 * MINUTE_MS, 2 * HOUR_MS);
    return {
      step: () => {
        const part = Math.min(1, Math.max(0, (connections.nowMs - begin) / (end - begin)));
        fill(Math.round(from + (to - from) * part));
      },
    };
  },
  'traffic doubles and more in 1 to 4 h': (connections, random) => {
    const lifeMs = random.betweenLog(MINUTE_MS, 10 * MINUTE_MS);
    const visit = visits(connections, random, { lifeMs });
    const perMinute = (random.betweenLog(20, 100) * MINUTE_MS) / lifeMs;
    const factor = random.between(2, 5);
    const begin = random.between(0.5, 2) * HOUR_MS;
    const end = begin + random.between(1, 4) * HOUR_MS;
    return {
      step: (stepMs) => {
        const part = Math.min(1, Math.max(0, (connections.nowMs - begin) / (end - begin)));
        visit(perMinute * (1 + (factor - 1) * part), stepMs);
      },
    };
  },
  'rush hour': byDay({}, [MINUTE_MS, 20 * MINUTE_MS]),
  'rush hour of quiet sessions': byDay(IDLE, [10 * MINUTE_MS, HOUR_MS]),
  'rolling update, old edge': (connections, random) => {
    const size = Math.round(random.betweenLog(20, 300));
    for (let left = size; left > 0; left--) connections.open();
    const atMs = random.between(1, 2) * HOUR_MS;
    const bursts = Math.ceil(random.between(1, 6));
    const everyMs = random.between(1, 3) * MINUTE_MS;
    let done = 0;
    return {
      step: () => {
        if (done === bursts || connections.nowMs < atMs + done * everyMs) return;
        done++;
        connections.close(Math.ceil(size / bursts));
      },
    };
  },
  'rolling update, new edge': (connections, random) => {
    const size = Math.round(random.betweenLog(20, 300));
    const atMs = random.between(0, 1) * HOUR_MS;
    const bursts = Math.ceil(random.between(1, 6));
    const everyMs = random.between(1, 3) * MINUTE_MS;
    let done = 0;
    return {
      step: () => {
        if (done === bursts || connections.nowMs < atMs + done * everyMs) return;
        done++;
        for (let left = size / bursts; left > 0; left--) connections.open();
      },
    };
  },
  'cron bursts': (connections, random) => {
    const everyMs = random.next() < 0.5 ? 15 * MINUTE_MS : HOUR_MS;
    const lifeMs = random.between(0.5, 5) * MINUTE_MS;
    const size = Math.round(random.betweenLog(20, 200));
    const rest = Math.round(random.betweenLog(5, 50));
    for (let left = rest; left > 0; left--) connections.open();
    let nextMs = random.between(0, everyMs);
    return {
      step: () => {
        if (connections.nowMs < nextMs) return;
        nextMs += everyMs;
        for (let left = size; left > 0; left--) {
          connections.open({ endMs: connections.nowMs + random.exponential(lifeMs) });
        }
      },
    };
  },
  'client restarts': (connections, random) => {
    const fill = pool(connections, random, random.next() < 0.5 ? IDLE : {});
    const size = Math.round(random.betweenLog(20, 300));
    const everyMs = random.between(1, 3) * HOUR_MS;
    const fillMs = random.betweenLog(MINUTE_MS, 10 * MINUTE_MS);
    let startedMs = 0;
    return {
      step: () => {
        if (connections.nowMs > startedMs + everyMs) startedMs = connections.nowMs;
        const part = Math.min(1, (connections.nowMs - startedMs) / fillMs);
        fill(Math.round(size * part));
      },
    };
  },
  'lingering close': (connections, random) => {
    const perMinute = random.betweenLog(60, 600);
    const lifeMs = random.betweenLog(1000, 30_000);
    const visit = visits(connections, random, { lifeMs });
    const linger = visits(connections, random, {
      lifeMs: 2000,
      like: { halfClosedBy: 'client' },
    });
    return {
      step: (stepMs) => {
        visit(perMinute, stepMs);
        linger(perMinute, stepMs);
      },
    };
  },
};

/** Hours are long enough for a whole day where the day matters. */
export const WORKLOADS: readonly Workload[] = [
  ...Object.entries(LEAKS).map(([name, begin]) => ({ name, leaks: true, hours: 10, begin })),
  ...Object.entries(HEALTHY).map(([name, begin]) => {
    return { name, leaks: false, hours: /^rush|evening$/.test(name) ? 24 : 10, begin };
  }),
];

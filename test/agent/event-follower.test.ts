import { constants } from 'node:os';
import t from 'tap';
import { type EventSocket, EventFollower } from '../../src/agent/event-follower.ts';
import { NetlinkError } from '../../src/netlink/error.ts';

const QUIET = { received: 0, malformed: 0, overflowed: false };
const NO_DURATIONS = { refresh: () => {}, of: () => undefined };
const MINUTE_MS = 60_000;
const refuse = (): never => {
  throw new NetlinkError('join a netlink multicast group', constants.errno.EPERM);
};
const lost = (): never => {
  throw new NetlinkError('receive', constants.errno.ENETDOWN);
};

/** A follower, a clock, and sockets that say what `heard` says. */
function following({ hasRoom = true } = {}) {
  const world = { nowMs: 0, opened: 0, open: 0, heard: (): typeof QUIET => QUIET };
  const follower = new EventFollower({
    open: (): EventSocket => {
      world.opened++;
      world.open++;
      return {
        drain: (visit) => {
          visit(new Uint32Array());
          return world.heard();
        },
        [Symbol.dispose]: () => void world.open--,
      };
    },
    addEnding: () => hasRoom,
    durations: NO_DURATIONS,
    areEventsOff: () => false,
    now: () => world.nowMs,
  });
  return { world, follower };
}

t.test('it follows from the first dump on, and reports what has come since', async (t) => {
  const { world, follower } = following();
  world.nowMs = 10;
  follower.drain();
  t.equal(world.opened, 0, 'not before');
  world.heard = () => ({ received: 3, malformed: 1, overflowed: false });
  follower.prepare();
  follower.drain();
  world.nowMs = 1_000;
  t.strictSame(follower.report(), {
    isFollowing: true,
    areEventsOff: false,
    received: 6,
    malformed: 2,
    overflows: 0,
    pausedMs: 10,
  });
  world.heard = () => QUIET;
  follower.drain();
  t.match(follower.report(), { received: 0, malformed: 0, pausedMs: 0 });
  t.equal(world.opened, 1);
});

t.test('an overflow ends the following, and what waited was received before', async (t) => {
  const { world, follower } = following();
  follower.prepare();
  world.heard = () => ({ received: 7, malformed: 0, overflowed: true });
  follower.drain();
  t.equal(world.open, 0);
  world.nowMs = 5_000;
  t.match(follower.report(), { isFollowing: false, received: 7, overflows: 1, pausedMs: 5_000 });
  world.heard = () => QUIET;
  follower.prepare();
  t.equal(world.opened, 1, 'not at once again');
  world.nowMs = 30_000;
  follower.prepare();
  t.match(follower.report(), { isFollowing: true, overflows: 0, pausedMs: 25_000 });
});

t.test('a tally without room and a socket that fails are overflows too', async (t) => {
  const full = following({ hasRoom: false });
  full.follower.prepare();
  t.match(full.follower.report(), { isFollowing: false, overflows: 1 });

  const { world, follower } = following();
  world.heard = lost;
  follower.prepare();
  t.match(follower.report(), { isFollowing: false, overflows: 1 });
  t.equal(world.open, 0);
});

t.test('each pause is longer than the last, up to a quarter of an hour', async (t) => {
  const { world, follower } = following();
  world.heard = () => ({ ...QUIET, overflowed: true });
  const pausesMs: number[] = [];
  for (let beganMs = 0; pausesMs.length < 8; world.nowMs += 1_000) {
    follower.prepare();
    if (follower.report().overflows === 0) continue;
    pausesMs.push(world.nowMs - beganMs);
    beganMs = world.nowMs;
  }
  t.strictSame(
    pausesMs.slice(1),
    [0.5, 1, 2, 4, 8, 16, 16].map((minutes) => minutes * MINUTE_MS),
  );
});

t.test('after a calm time a pause is short again', async (t) => {
  const { world, follower } = following();
  for (const [atMs, overflowed] of [
    [0, true],
    [30_000, true],
    [MINUTE_MS * 2, false],
    [MINUTE_MS * 13, true],
    [MINUTE_MS * 13 + 30_000, false],
  ] as const) {
    world.nowMs = atMs;
    world.heard = () => ({ ...QUIET, overflowed });
    follower.prepare();
  }
  t.match(follower.report(), { isFollowing: true, overflows: 3 });
});

t.test('what cannot be opened is thrown: it says which capability is missing', async (t) => {
  const follower = new EventFollower({
    open: refuse,
    addEnding: () => true,
    durations: NO_DURATIONS,
    areEventsOff: () => false,
    now: () => 0,
  });
  t.throws(() => follower.prepare(), { code: 'EPERM' });
});

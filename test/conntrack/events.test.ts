import { constants } from 'node:os';
import t from 'tap';
import { ENTRY } from '../../src/conntrack/entry.ts';
import { ConntrackEvents } from '../../src/conntrack/events.ts';
import { NetlinkError } from '../../src/netlink/error.ts';
import { concat, destroyMessage, entryMessage, message } from '../builders/ctnetlink.ts';
import { flow, flow6 } from '../builders/flow.ts';
import { fakeListener, type Reception } from '../fakes/kernel.ts';

const { EAGAIN, EINTR, ENOBUFS, ENETDOWN } = constants.errno;
const BUFFER_BYTES = 64 * 1024;
/** IPCTNL_MSG_EXP_NEW: an expectation, of another subsystem. */
const EXP_NEW = 0x200;

/** What is heard of these receptions, in one look. */
function heardOf(receptions: Reception[], datagramsMax = 100) {
  const events = new ConntrackEvents(() => fakeListener(receptions));
  const heard: (number | undefined)[] = [];
  const drained = events.drain((entry) => heard.push(entry[ENTRY.id]), { datagramsMax });
  return { ...drained, heard };
}

const quiet = { received: 0, malformed: 0, overflowed: false, heard: [] };

t.test('events are heard in their order, whoever had the entry deleted', async (t) => {
  t.strictSame(
    heardOf([
      destroyMessage(flow({ id: 1 })),
      destroyMessage(flow6({ id: 2 })),
      concat([destroyMessage(flow({ id: 1 }), 4711), destroyMessage(flow({ id: 3 }))]),
    ]),
    {
      ...quiet,
      received: 4,
      heard: [1, 2, 1, 3],
    },
  );
});

t.test('silence is the end, an interrupted call is not', async (t) => {
  t.strictSame(heardOf([]), quiet);
  t.strictSame(heardOf([-EINTR, destroyMessage(flow({ id: 1 })), -EAGAIN]), {
    ...quiet,
    received: 1,
    heard: [1],
  });
});

t.test('ENOBUFS is an overflow, and what was not lost comes behind it', async (t) => {
  t.strictSame(heardOf([-ENOBUFS, destroyMessage(flow({ id: 1 }))]), {
    ...quiet,
    received: 1,
    overflowed: true,
    heard: [1],
  });
});

t.test('any other error is thrown by its name', async (t) => {
  t.throws(
    () => heardOf([-ENETDOWN]),
    new NetlinkError('receive events of the connection tracking table', ENETDOWN),
  );
});

t.test('a malformed message is counted, and the next one is heard', async (t) => {
  const bad = message(0x102, { sequence: 0, portId: 0 }, Uint8Array.of(2, 0, 0, 0));
  t.strictSame(heardOf([concat([bad, destroyMessage(flow({ id: 1 }))])]), {
    ...quiet,
    received: 1,
    malformed: 1,
    heard: [1],
  });
});

t.test('a length that is a lie costs the rest of its datagram, and no more', async (t) => {
  const lies = [0, 15, 0x7fff_ffff, 0xffff_ffff].map((length) =>
    message(0x102, { sequence: 0, portId: 0, length }, new Uint8Array()),
  );
  for (const lie of lies) {
    const datagram = concat([lie, destroyMessage(flow({ id: 9 }))]);
    t.match(heardOf([datagram, destroyMessage(flow({ id: 1 }))]), {
      malformed: 1,
      heard: [1],
    });
  }
});

t.test('a datagram that may be cut off is malformed', async (t) => {
  t.match(heardOf([new Uint8Array(BUFFER_BYTES)]), { ...quiet, malformed: 1 });
});

t.test('other messages are passed over', async (t) => {
  const header = { sequence: 0, portId: 0 };
  const begun = entryMessage(header, flow());
  t.strictSame(heardOf([message(EXP_NEW, header, new Uint8Array(4)), begun]), quiet);
});

t.test('one look has an end, and the next one goes on', async (t) => {
  const receptions: Reception[] = [1, 2, 3].map((id) => destroyMessage(flow({ id })));
  t.match(heardOf(receptions, 2), {
    heard: [1, 2],
  });
  t.match(heardOf(receptions, 2), { heard: [3] });
});

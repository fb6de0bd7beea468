import * as fc from 'fast-check';
import t from 'tap';
import { NoTurn, Turns } from '../../src/controller/turns.ts';

t.test('few have their turn at a time, the others in the order in which they came', async (t) => {
  const turns = new Turns({ atATimeMax: 2 });
  const begun: number[] = [];
  const taking = [0, 1, 2, 3, 4].map(async (number) => {
    const end = await turns.take();
    begun.push(number);
    return end;
  });
  const first = await taking[0]!;
  const second = await taking[1]!;
  t.strictSame(begun, [0, 1]);
  second();
  const third = await taking[2]!;
  t.strictSame(begun, [0, 1, 2]);
  first();
  third();
  (await taking[3]!)();
  (await taking[4]!)();
  t.strictSame(begun, [0, 1, 2, 3, 4]);
});

t.test('who may not wait, or whom too many wait for already, gets no turn', async (t) => {
  const turns = new Turns({ atATimeMax: 1, waitingMax: 1 });
  const end = await turns.take();
  await t.rejects(turns.take({ mayWait: false }), NoTurn);
  const waiting = turns.take();
  await t.rejects(turns.take(), { name: 'NoTurn', message: '1 wait for their turn' });
  end();
  (await waiting)();
  (await turns.take({ mayWait: false }))();
});

t.test('who has waited for too long gets no turn, and takes none from others', async (t) => {
  const turns = new Turns({ atATimeMax: 1, waitMsMax: 1 });
  const end = await turns.take();
  // A timer of Turns keeps no process alive: the connection of who waits does.
  const alive = setInterval(() => {}, 1000);
  await t.rejects(turns.take(), { name: 'NoTurn', message: 'no turn within 1 ms' });
  clearInterval(alive);
  end();
  (await turns.take({ mayWait: false }))();
});

t.test('never more than the limit have a turn, and all who wait get one', async (t) => {
  const endings = fc.array(fc.nat(20), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(endings, fc.integer({ min: 1, max: 5 }), async (after, atATimeMax) => {
      const turns = new Turns({ atATimeMax });
      let taken = 0;
      let most = 0;
      await Promise.all(
        after.map(async (steps) => {
          const end = await turns.take();
          most = Math.max(most, ++taken);
          for (let step = 0; step < steps; step++) await Promise.resolve();
          taken--;
          end();
        }),
      );
      return most <= atATimeMax && taken === 0;
    }),
  );
  t.pass('held for all');
});

import { setImmediate as pause } from 'node:timers/promises';
import t from 'tap';
import { CpuTime } from '../../src/runtime/cpu-time.ts';

/** Takes so much of this thread's time, however long that lasts. */
function spend(ms: number): void {
  const before = process.threadCpuUsage();
  for (;;) {
    const { user, system } = process.threadCpuUsage(before);
    if (user + system >= 1000 * ms) return;
  }
}

function spendAndFail(): never {
  spend(20);
  throw new Error('the dump was cut off');
}

t.test('CpuTime adds up what it measures, and what throws too', async (t) => {
  const cpu = new CpuTime();
  t.equal(
    cpu.measure(() => 7),
    7,
  );
  cpu.measure(() => spend(20));
  t.ok(cpu.totalMs >= 16, `${cpu.totalMs} ms`);
  t.throws(() => cpu.measure(spendAndFail), { message: 'the dump was cut off' });
  t.ok(cpu.totalMs >= 32, `${cpu.totalMs} ms`);
});

t.test('CpuTime measures less than a tick of the scheduler', async (t) => {
  const cpu = new CpuTime();
  let wasMs = 0;
  for (let round = 0; round < 20; round++) {
    cpu.measure(() => Buffer.alloc(100_000).fill(round));
    t.ok(cpu.totalMs > wasMs, `${cpu.totalMs} ms`);
    wasMs = cpu.totalMs;
  }
});

t.test('CpuTime counts the steps of a run, and not what happens between them', async (t) => {
  const cpu = new CpuTime();
  const ending = new AbortController();
  let steps = 0;
  const others = (async () => {
    while (!ending.signal.aborted) {
      spend(40);
      await pause();
    }
  })();
  const threeSteps = function* () {
    for (; steps < 3; steps++) {
      Buffer.alloc(1000).fill(steps);
      yield;
    }
    return 'done';
  };
  const before = process.threadCpuUsage();
  t.equal(await cpu.run(threeSteps()), 'done');
  const { user, system } = process.threadCpuUsage(before);
  ending.abort();
  await others;
  t.equal(steps, 3);
  t.ok(cpu.totalMs > 0);
  t.ok((user + system) / 1000 - cpu.totalMs >= 80, `${cpu.totalMs} ms`);
});

t.test('CpuTime counts all that the thread does until a promise settles', async (t) => {
  const cpu = new CpuTime();
  const value = await cpu.during(async () => {
    spend(20);
    await pause();
    return 7;
  });
  t.equal(value, 7);
  t.ok(cpu.totalMs >= 16, `${cpu.totalMs} ms`);
  await t.rejects(
    cpu.during(async () => {
      await pause();
      throw new Error('disk full');
    }),
    { message: 'disk full' },
  );
});

import t from 'tap';
import { STATISTICS, StatisticsSum } from '../../src/conntrack/statistics.ts';
import { be32, concat } from '../builders/ctnetlink.ts';

const { insertFailed, drop } = STATISTICS;

/** What stands behind the nlmsghdr: struct nfgenmsg with the CPU in res_id, and be32 attributes. */
function answerOf(cpu: number, values: Readonly<Record<number, number>>): Uint32Array {
  const attributes = Object.entries(values).map(([type, value]) => be32(Number(type), value));
  const header = Uint8Array.of(0, 0, cpu >>> 8, cpu & 0xff);
  return new Uint32Array(concat([header, ...attributes]).buffer);
}

function add(sum: StatisticsSum, cpu: number, values: Readonly<Record<number, number>>): boolean {
  const words = answerOf(cpu, values);
  return sum.add(words, 0, words.length);
}

t.test('what was counted before the first look does not count', async (t) => {
  const sum = new StatisticsSum();
  t.ok(add(sum, 0, { [drop]: 1000 }));
  t.equal(sum.statistics.drop, 0);
  add(sum, 0, { [drop]: 1007 });
  t.equal(sum.statistics.drop, 7);
  t.equal(sum.statistics.insertFailed, 0);
});

t.test('the counters of all CPUs are summed up', async (t) => {
  const sum = new StatisticsSum();
  for (const cpu of [0, 1, 258]) add(sum, cpu, { [drop]: cpu, [insertFailed]: 5 });
  for (const cpu of [0, 1, 258]) add(sum, cpu, { [drop]: cpu + 2, [insertFailed]: 6 });
  t.match(sum.statistics, { drop: 6, insertFailed: 3, earlyDrop: 0 });
});

t.test('a counter that wraps around goes on', async (t) => {
  const sum = new StatisticsSum();
  add(sum, 0, { [drop]: 0xffff_fffe });
  add(sum, 0, { [drop]: 3 });
  t.equal(sum.statistics.drop, 5);
  for (let look = 0; look < 3; look++) {
    add(sum, 0, { [drop]: 0x8000_0003 });
    add(sum, 0, { [drop]: 3 });
  }
  t.equal(sum.statistics.drop, 5 + 3 * 2 ** 32, 'beyond 32 bits');
});

t.test('a CPU that comes later counts from then on', async (t) => {
  const sum = new StatisticsSum();
  add(sum, 0, { [drop]: 1 });
  add(sum, 0, { [drop]: 2 });
  add(sum, 1, { [drop]: 50 });
  t.equal(sum.statistics.drop, 1);
});

t.test('counters that are newer than this build, or shorter, are passed over', async (t) => {
  const sum = new StatisticsSum();
  add(sum, 0, {});
  t.ok(add(sum, 0, { 99: 7, 1: 7, [drop]: 7 }));
  t.equal(sum.statistics.drop, 7);
  const short = new Uint32Array(concat([new Uint8Array(4), Uint8Array.of(6, 0, drop, 0)]).buffer);
  t.notOk(sum.add(short, 0, short.length), 'longer than what there is');
  t.equal(sum.statistics.drop, 7, 'and nothing of it counts');
  t.notOk(sum.add(short, 0, 0), 'not even a header');
});

import t from 'tap';
import { CLOSED, IDLE, OPENED, UNANSWERED } from '../../src/connections/measure.ts';
import { MeasureLists } from '../../src/connections/measure-lists.ts';

const BEGIN = [OPENED, CLOSED];

t.test('who comes by the same measures in the same order shares a list', async (t) => {
  const lists = new MeasureLists({ listsMax: 10 });
  const idle = lists.with(BEGIN, IDLE[0]!);
  t.strictSame(idle, [OPENED, CLOSED, IDLE[0]]);
  t.equal(lists.with(BEGIN, IDLE[0]!), idle);
  const both = lists.with(idle, UNANSWERED);
  t.equal(lists.with(idle, UNANSWERED), both);
  t.strictSame(lists.with(lists.with(BEGIN, UNANSWERED), IDLE[0]!), [
    OPENED,
    CLOSED,
    UNANSWERED,
    IDLE[0],
  ]);
  t.equal(lists.size, 4);
});

t.test('above the limit lists are made, but not kept', async (t) => {
  const lists = new MeasureLists({ listsMax: 1 });
  const shared = lists.with(BEGIN, UNANSWERED);
  const own = lists.with(BEGIN, IDLE[0]!);
  t.strictSame(own, [OPENED, CLOSED, IDLE[0]]);
  t.not(lists.with(BEGIN, IDLE[0]!), own);
  t.strictSame(lists.with(own, IDLE[1]!), [OPENED, CLOSED, IDLE[0], IDLE[1]]);
  t.equal(lists.with(BEGIN, UNANSWERED), shared, 'those that are shared stay so');
  t.equal(lists.size, 1);
});

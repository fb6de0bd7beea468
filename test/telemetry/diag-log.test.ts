import t from 'tap';
import { diagLogger } from '../../src/telemetry/diag-log.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const MINUTE_MS = 60_000;

function createDiag() {
  const { log, lines } = capturedLog();
  const clock = { nowMs: 0 };
  return { diag: diagLogger({ log, now: () => clock.nowMs }), clock, lines };
}

t.test('a message that comes again and again is told once in ten minutes', async (t) => {
  const { diag, clock, lines } = createDiag();
  for (let push = 0; push <= 10; push += 1) {
    clock.nowMs = push * MINUTE_MS;
    diag.error(`push failed after ${push} ms`);
  }
  t.match(lines, [
    { level: 50, msg: 'OpenTelemetry: push failed after 0 ms', repeated: 0 },
    { level: 50, msg: 'OpenTelemetry: push failed after 10 ms', repeated: 9 },
  ]);
  t.equal(lines.length, 2);
});

t.test('different messages do not silence each other', async (t) => {
  const { diag, lines } = createDiag();
  diag.warn('one');
  diag.warn('another', 'thing');
  t.match(lines, [{ msg: 'OpenTelemetry: one' }, { msg: 'OpenTelemetry: another thing' }]);
});

t.test('an exception that the SDK wrote as JSON is told by its message', async (t) => {
  const { diag, lines } = createDiag();
  diag.error(JSON.stringify({ stack: 'Error: away\n    at somewhere', message: 'away' }));
  diag.error('caught', new Error('gone'));
  diag.error('42');
  diag.error('null');
  t.match(lines, [
    { msg: 'OpenTelemetry: away' },
    { msg: 'OpenTelemetry: caught gone' },
    { msg: 'OpenTelemetry: 42' },
    { msg: 'OpenTelemetry: null' },
  ]);
});

t.test('below a warning nothing is told', async (t) => {
  const { diag, lines } = createDiag();
  diag.info('info');
  diag.debug('debug');
  diag.verbose('verbose');
  t.strictSame(lines, []);
});

t.test('only so many messages are remembered: the oldest may come again', async (t) => {
  const { diag, lines } = createDiag();
  const words = Array.from({ length: 65 }, (_, n) => 'x'.repeat(n + 1));
  for (const word of words) diag.warn(word);
  diag.warn('xx');
  t.equal(lines.length, 65);
  diag.warn('x');
  t.equal(lines.length, 66);
});

t.test('points that a collector has rejected are told each time, in both encodings', async (t) => {
  const { log, lines } = capturedLog();
  const rejected: number[] = [];
  const diag = diagLogger({ log, onRejected: (points) => rejected.push(points) });
  const answers = [
    { rejectedDataPoints: '3' },
    { rejectedDataPoints: 4 },
    { rejectedDataPoints: 4 },
  ];
  const useless = [{ rejectedDataPoints: 'many' }, { errorMessage: 'slow down' }, 'yes'];
  for (const answer of [...answers, ...useless]) {
    diag.warn('Received Partial Success response:', JSON.stringify(answer));
  }
  diag.warn('Received', '{"rejectedDataPoints":7}');
  t.strictSame(rejected, [3, 4, 4]);
  t.match(lines[0], { level: 40, msg: /Partial Success response: {"rejectedDataPoints":"3"}$/ });
});

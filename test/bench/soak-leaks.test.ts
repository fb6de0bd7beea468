import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { LeaksTold } from './soak-leaks.ts';

async function toldBy(...lines: readonly object[]): Promise<LeaksTold> {
  const stderr = new PassThrough();
  const told = new LeaksTold({ stderr });
  for (const line of lines) stderr.write(`${JSON.stringify(line)}\n`);
  stderr.end();
  await turn();
  return told;
}

const began = { event: 'khan.connection.leak', leak_state: 'began' };

t.test('a leak is told once, however often the log says it', async (t) => {
  const line = { ...began, src_name: 'hoarder-8', dst_port: 8081 };
  const told = await toldBy(line, line);

  t.equal(told.of(['hoarder-8', 'hoarder-17']), 1);
  t.equal(told.falseAlarms, 0);
});

t.test('the end of a leak is not a leak', async (t) => {
  const told = await toldBy({ ...began, leak_state: 'ended', src_name: 'web-1', dst_port: 8081 });

  t.equal(told.falseAlarms, 0);
});

t.test('a false alarm is of another pod, another port or somebody without a name', async (t) => {
  const told = await toldBy(
    { ...began, src_name: 'queue-7', dst_port: 8081 },
    { ...began, src_name: 'hoarder-8', dst_port: 8080 },
    { ...began, src_ip: '10.1.0.9', dst_port: 8081 },
  );

  t.equal(told.of(['hoarder-8']), 0);
  t.equal(told.falseAlarms, 3);
});

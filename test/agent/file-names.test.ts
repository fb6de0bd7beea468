import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { FileNames } from '../../src/agent/file-names.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const YAML = `
addresses:
  10.1.0.11: { type: pod, name: web-1 }
  10.1.0.12: { type: pod, name: web-2 }
`;
const ADDRESSES = ['10.1.0.11', '10.1.0.12', '192.0.2.1'];

t.test('the file is read at the first resolve() and again when it changed', async (t) => {
  const path = join(t.testdir({ 'inventory.yaml': YAML }), 'inventory.yaml');
  const names = new FileNames({ path, log: capturedLog().log, now: () => 7 });
  t.strictSame(names.mapping, {
    up: undefined,
    stale: false,
    unresolvedAddresses: 0,
    lastAnswerMs: undefined,
  });
  await names.resolve(ADDRESSES);
  const kept = names.identityOf('10.1.0.11');
  t.equal(kept?.name, 'web-1');
  t.strictSame(names.mapping, {
    up: undefined,
    stale: false,
    unresolvedAddresses: 1,
    lastAnswerMs: 7,
  });

  await names.resolve(ADDRESSES);
  t.equal(names.identityOf('10.1.0.11'), kept);
  await writeFile(path, YAML.replace('web-2', 'web-3'));
  await names.resolve(ADDRESSES);
  t.equal(names.identityOf('10.1.0.12')?.name, 'web-3');
  t.equal(names.identityOf('10.1.0.11'), kept);
});

t.test('a file that was never read is a failure, one that breaks later is not', async (t) => {
  const path = join(t.testdir({ 'inventory.yaml': 'addresses: 1' }), 'inventory.yaml');
  const names = new FileNames({ path, log: capturedLog().log });
  await t.rejects(names.resolve(ADDRESSES), { message: /must be a mapping/, exitCode: 2 });
  await t.rejects(names.resolve(ADDRESSES), { message: /must be a mapping/, exitCode: 2 });
  await writeFile(path, YAML);
  await names.resolve(ADDRESSES);
  await writeFile(path, 'addresses: 1');
  await names.resolve(ADDRESSES);
  await names.resolve(ADDRESSES);
  t.equal(names.identityOf('10.1.0.11')?.name, 'web-1');
  t.match(names.mapping, { up: undefined, stale: true });
});

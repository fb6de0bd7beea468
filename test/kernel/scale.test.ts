import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { SnapshotSource } from '../../src/agent/snapshot-source.ts';
import { runCommand } from '../../src/demo/command.ts';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import { flowsOf } from '../bench/fill-table.ts';
import { EdgeReader } from '../builders/edge-reader.ts';
import { TallyModel } from '../builders/tally-model.ts';
import { networkNamespaceOf, networkNamespaces } from '../demo/processes.ts';
import { skip } from './skip.ts';

const FILL_TABLE = fileURLToPath(new URL('../bench/fill-table.ts', import.meta.url));
const ENTRIES = 100_000;
const EDGES = 7000;

t.test('100,000 entries come back as they were written', { skip, timeout: 120_000 }, async (t) => {
  const namespace = await NetworkNamespace.create('scale');
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(namespace);
  const size = ['--entries', String(ENTRIES), '--edges', String(EDGES), '--ipv6-share', '0.25'];
  await runCommand([process.execPath, FILL_TABLE, '--netns', namespace.path, ...size]);
  const source = cleanup.use(new SnapshotSource({ netns: namespace.path }));
  const reader = new EdgeReader();
  const model = new TallyModel();
  const written = [...flowsOf({ entries: ENTRIES, edges: EDGES, ipv6Share: 0.25 })];
  for (const baseline of [true, false]) {
    const { edges, ...snapshot } = await source.take();
    const meant = model.snapshot(written);
    t.match(snapshot, {
      baseline,
      entries: ENTRIES,
      tableEntries: ENTRIES,
      malformed: 0,
      repeated: 0,
      available: true,
    });
    const said = reader.read(edges);
    t.equal(said.size, EDGES);
    const wrong = [...meant.edges].filter(
      ([name, counts]) => !isDeepStrictEqual(said.get(name), counts),
    );
    t.strictSame(wrong.slice(0, 5), []);
  }

  const identity = networkNamespaceOf(namespace.pid);
  await cleanup.disposeAsync();
  t.notOk(networkNamespaces().has(identity), 'nothing holds the namespace any more');
});

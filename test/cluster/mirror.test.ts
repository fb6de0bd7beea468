import { deepStrictEqual } from 'node:assert/strict';
import * as fc from 'fast-check';
import t from 'tap';
import { Mirror } from '../../src/cluster/mirror.ts';

interface Change {
  readonly verb: 'put' | 'delete' | 'beginList' | 'endList';
  readonly name: string;
  readonly uid: number;
  readonly isKept: boolean;
}

const NAMES = ['a', 'b', 'c'];

/** A mirror of objects whose `kept` is what is kept of them, and the sink it fills. */
function mirrored() {
  const sink = new Map<string, unknown>();
  const errors: unknown[] = [];
  const mirror = new Mirror<string>({
    resource: {
      kind: 'Thing',
      path: '/things',
      fieldSelectors: [''],
      labelSelector: '',
      keep: ({ kept }: { readonly kept?: string }) => kept,
    },
    sink: { put: (uid, kept) => sink.set(uid, kept), remove: (uid) => sink.delete(uid) },
    onRejected: (error) => errors.push(error),
  });
  return { mirror, sink, errors };
}

function object({ name, uid, isKept }: Change): object {
  const metadata = { name, uid: `${name}-${uid}`, resourceVersion: '1' };
  return { metadata, ...(isKept && { kept: name }) };
}

t.test('whatever happens, the sink has the last object of each name, and no other', async () => {
  const change: fc.Arbitrary<Change> = fc.record({
    verb: fc.constantFrom('put', 'put', 'put', 'delete', 'beginList', 'endList'),
    name: fc.constantFrom(...NAMES),
    uid: fc.nat(2),
    isKept: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const { mirror, sink } = mirrored();
      /** UID by name. */
      const model = new Map<string, string>();
      let listed: Set<string> | undefined;
      for (const each of changes) {
        const uid = `${each.name}-${each.uid}`;
        switch (each.verb) {
          case 'put':
            mirror.put(object(each));
            listed?.add(each.name);
            if (each.isKept) model.set(each.name, uid);
            else model.delete(each.name);
            break;
          case 'delete':
            mirror.delete(object(each));
            if (model.get(each.name) === uid) model.delete(each.name);
            break;
          case 'beginList':
            mirror.beginList();
            listed = new Set();
            break;
          case 'endList':
            if (listed === undefined) break;
            mirror.endList();
            for (const name of NAMES) if (!listed.has(name)) model.delete(name);
            listed = undefined;
            break;
        }
        deepStrictEqual([...sink.keys()].toSorted(), [...model.values()].toSorted());
        deepStrictEqual(mirror.size, model.size);
      }
    }),
    { numRuns: 500 },
  );
});

t.test('what is no object is rejected', async (t) => {
  const { mirror, sink, errors } = mirrored();
  for (const none of [undefined, null, 1, [], {}, { metadata: { name: 'a' } }]) mirror.put(none);
  mirror.delete({ metadata: { uid: 'a' } });
  t.equal(errors.length, 7);
  t.equal(sink.size, 0);
});

t.test('an object of the same name in another namespace is another one', async (t) => {
  const { mirror, sink } = mirrored();
  for (const namespace of ['x', 'y']) {
    const metadata = { namespace, name: 'a', uid: `${namespace}-a`, resourceVersion: '1' };
    mirror.put({ metadata, kept: namespace });
  }
  t.strictSame(
    [...sink],
    [
      ['x-a', 'x'],
      ['y-a', 'y'],
    ],
  );
});

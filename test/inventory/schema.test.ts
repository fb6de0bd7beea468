import { fastify } from 'fastify';
import * as fc from 'fast-check';
import t from 'tap';
import { faultsOf } from '../../src/inventory/schema.ts';
import {
  ADDRESSES_MAX,
  REQUEST_BYTES_MAX,
  readResolveResponse,
  resolveRequestSchema,
  resolveResponseSchema,
} from '../../src/inventory/wire.ts';

/** Without the keys that fastify refuses before any validation: they could change a prototype. */
const anyJson = fc
  .jsonValue()
  .filter((value) => !/"(__proto__|constructor)"/.test(JSON.stringify(value)));

/** Mostly what the schema asks for. */
const mostly = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 19, arbitrary }, anyJson);

const name = mostly(fc.string({ minLength: 1, maxLength: 3 }));
const identity = fc.record(
  {
    type: mostly(fc.constant('pod')),
    name,
    app: name,
    workload: mostly(fc.constant({ kind: 'Job', name: 'a' })),
  },
  { requiredKeys: ['type', 'name'] },
);
const almostResponse = fc.record(
  {
    epoch: name,
    rev: mostly(fc.integer({ min: -1, max: 100 })),
    synced: fc.boolean(),
    stale: mostly(fc.boolean()),
    entries: fc.dictionary(fc.ipV4(), mostly(identity), { maxKeys: 3 }),
    gone: mostly(fc.array(fc.ipV4())),
    reset: fc.boolean(),
    nextPollMs: mostly(fc.nat()),
    later: anyJson,
  },
  { requiredKeys: ['epoch', 'rev', 'synced', 'stale', 'entries', 'gone', 'reset'] },
);
const almostRequest = fc.record(
  {
    node: name,
    epoch: name,
    since: fc.integer({ min: -1, max: 2 }),
    have: fc.array(name),
    want: anyJson,
  },
  { requiredKeys: [] },
);

for (const [what, schema, candidates] of [
  ['a request', resolveRequestSchema, almostRequest],
  ['a response', resolveResponseSchema, almostResponse],
] as const) {
  t.test(`faultsOf() and the full validator of the framework agree on ${what}`, async (t) => {
    await using app = fastify({
      ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    });
    app.post('/', { schema: { body: schema } }, () => 'valid');
    let valid = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 9, arbitrary: candidates }, anyJson),
        async (candidate) => {
          const payload = JSON.stringify(candidate);
          const headers = { 'content-type': 'application/json' };
          const { statusCode } = await app.inject({ method: 'POST', url: '/', headers, payload });
          if (statusCode === 200) valid++;
          return (faultsOf(schema, JSON.parse(payload)).length === 0) === (statusCode === 200);
        },
      ),
      { numRuns: 1000 },
    );
    t.ok(valid > 50, 'some were valid');
  });
}

t.test(
  'readResolveResponse() names what it cannot read and ignores what it does not know',
  async (t) => {
    const response = {
      epoch: 'e',
      rev: 1,
      synced: true,
      stale: false,
      entries: { '10.0.0.1': { type: 'pod', name: 'web-1', later: true } },
      gone: [],
      reset: false,
      nextPollMs: 30_000,
      later: {},
    };
    t.strictSame(readResolveResponse(JSON.stringify(response)), response);
    t.throws(() => readResolveResponse(JSON.stringify({ ...response, gone: [1] })), {
      message: 'Cannot read the answer of /v1/resolve: gone[0]: must be text, not 1',
    });
    t.throws(() => readResolveResponse('<html>'), SyntaxError);
  },
);

t.test('a request of as many addresses as allowed is as large as allowed at most', async (t) => {
  const longest = 'fd00:1111:2222:3333:4444:5555:6666:7777';
  const request = {
    node: 'n'.repeat(253),
    epoch: 'e'.repeat(253),
    since: Number.MAX_SAFE_INTEGER,
    have: [],
    want: Array(ADDRESSES_MAX).fill(longest),
  };
  t.ok(JSON.stringify(request).length <= REQUEST_BYTES_MAX);
});

import t from 'tap';
import { agentSettings } from '../../src/agent/config.ts';
import { currentTerms, misfitOf } from '../../src/agent/state-terms.ts';
import { readSettings } from '../../src/runtime/settings.ts';

const NOW_MS = Date.UTC(2026, 10, 26);

function terms(...argv: readonly string[]) {
  return currentTerms(readSettings(agentSettings, ['--node-name', 'node-a', ...argv], {}));
}

const saved = { ...terms(), takenAtMs: NOW_MS - 60_000 };
const now = { ...terms(), nowMs: NOW_MS };

t.test('a state fits where nothing has changed', async (t) => {
  t.equal(misfitOf(saved, now), undefined);
  t.match(now.networkNamespace, /^\d+:\d+$/);
  t.match(now.boot, /^[0-9a-f-]{36}$/);
});

t.test('what decides no series may change', async (t) => {
  const others = ['--poll-interval', '5s', '--series-ttl', '1m', '--series-max', '5'].concat([
    '--signals',
    'idle,traffic',
  ]);
  t.equal(misfitOf(saved, { ...terms(...others), nowMs: NOW_MS }), undefined);
});

t.test('each setting that decides which series there are is named', async (t) => {
  const changes: readonly (readonly [string, string])[] = [
    ['--attribute-groups', 'workload'],
    ['--drop-attributes', 'src_ip'],
    ['--external-prefix', '24/64'],
    ['--exclude', 'none'],
    ['--signals', 'idle'],
  ];
  for (const change of changes) {
    const misfit = misfitOf(saved, { ...terms(...change), nowMs: NOW_MS });
    t.equal(misfit, `other settings decide which series there are: ${change[0]}`);
  }
  const all = misfitOf(saved, { ...terms(...changes.flat()), nowMs: NOW_MS });
  t.match(all, /: --attribute-groups, --drop-attributes, --external-prefix, --exclude, --signals$/);
});

t.test('a state of another node does not fit', async (t) => {
  t.match(misfitOf({ ...saved, node: 'node-b' }, now), /of the node node-b/);
});

t.test('a namespace is told from another one of the same boot only', async (t) => {
  const other = { ...saved, networkNamespace: '4:1' };
  t.match(misfitOf(other, now), /another network namespace/);
  t.equal(misfitOf({ ...other, boot: 'before' }, now), undefined);
});

t.test(
  'a state of a time to come does not fit, but for a clock that was set a little',
  async (t) => {
    t.match(misfitOf({ ...saved, takenAtMs: NOW_MS + 3_600_000 }, now), /2026-11-26T01:00:00.000Z/);
    t.equal(misfitOf({ ...saved, takenAtMs: NOW_MS + 1000 }, now), undefined);
    t.equal(misfitOf({ ...saved, takenAtMs: 0 }, now), undefined, 'nor does age matter');
  },
);

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const REPOSITORY = join(import.meta.dirname, '..');
const WORKFLOWS = globSync('.github/workflows/*.yaml', { cwd: REPOSITORY });
const PINNED = /^\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/;

function read(name: string): string {
  return readFileSync(join(REPOSITORY, name), 'utf8');
}

t.test('workflows use nothing that can change behind their back', async (t) => {
  const uses = WORKFLOWS.flatMap((name) => [...read(name).matchAll(/\buses: (.+)$/gm)]);
  const foreign = uses.map(([, used = '']) => used).filter((used) => !used.startsWith('./'));
  t.ok(foreign.length > 0);
  for (const used of foreign) t.match(used, PINNED);
});

t.test('the image is made with the Node that it runs with', async (t) => {
  const bases = [...read('Dockerfile').matchAll(/^FROM .*\b(node:\S+)/gm)].map(([, base]) => base);
  t.equal(bases.length, 2);
  t.equal(new Set(bases).size, 1);
});

t.test('CI tests the oldest Node that is allowed', async (t) => {
  const { engines } = JSON.parse(read('package.json'));
  t.match(read('.github/workflows/ci.yaml'), `node: ${engines.node.replace('>=', '')}.0`);
});

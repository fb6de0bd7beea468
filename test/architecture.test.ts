import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import t from 'tap';

/** A room imports from floors below its own; `io` names the modules of IO_MODULES that it may use. */
interface Room {
  readonly floor: number;
  readonly wing: 'kernel' | 'cluster' | 'both';
  readonly io: readonly string[];
}

const ROOMS: Readonly<Record<string, Room>> = {
  cli: { floor: 7, wing: 'both', io: [] },
  demo: { floor: 6, wing: 'both', io: ['fs', 'net', 'child_process'] },
  agent: { floor: 5, wing: 'kernel', io: ['fs'] },
  top: { floor: 5, wing: 'kernel', io: [] },
  controller: { floor: 5, wing: 'cluster', io: ['fs', 'net'] },
  telemetry: { floor: 4, wing: 'kernel', io: ['fs'] },
  connections: { floor: 3, wing: 'kernel', io: [] },
  cluster: { floor: 3, wing: 'cluster', io: [] },
  conntrack: { floor: 2, wing: 'kernel', io: ['fs'] },
  inventory: { floor: 2, wing: 'cluster', io: ['fs'] },
  netlink: { floor: 1, wing: 'kernel', io: [] },
  // node:net tells here what an address is; no socket.
  net: { floor: 1, wing: 'cluster', io: ['net'] },
  runtime: { floor: 1, wing: 'cluster', io: [] },
};
/** Where the wings meet: the kernel wing may import these as if they were its own. */
const MEETING_ROOMS = ['inventory', 'net', 'runtime'];
/** Not so much as a `node:` module: no I/O, no clock. */
const PURE_ROOM = 'connections';
const IO_MODULES = ['fs', 'net', 'child_process'];
const KOFFI_FILE = 'netlink/socket.ts';
/** The one import that leaves src/. */
const MANIFEST = '../package.json';
const LINES_MAX = 300;
/** File → why it is longer. */
const LONG_FILES: Readonly<Record<string, string>> = {};
const NAMELESS = /^(?:utils?|helpers?|types?|index|common|misc)\.ts$/;

/** File by path inside src/, such as 'agent/cycle.ts', with its text. */
type Tree = Readonly<Record<string, string>>;

/** Everything that a file loads: static, `import type`, re-exported, dynamic, and workers by URL. */
function importsOf(source: string): string[] {
  const code = source.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
  const patterns = [
    /^(?:import|export)\b[^'";]*?\bfrom\s*['"](?<name>[^'"]+)/gm,
    /^import\s*['"](?<name>[^'"]+)/gm,
    /\bimport\(\s*['"`](?<name>[^'"`]+)/g,
    /\bnew URL\(\s*['"`](?<name>\.[^'"`]+)['"`],\s*import\.meta\.url/g,
  ];
  return patterns.flatMap((pattern) =>
    // A worker may take its ending from the file that starts it: .ts here, .js when built.
    [...code.matchAll(pattern)].map((match) =>
      (match.groups?.['name'] ?? '').replace(/\$\{.*\}$/, '.ts'),
    ),
  );
}

function resolve(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier);
}

function roomOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '');
}

function mayImport(from: string, to: string): boolean {
  const [importer, imported] = [ROOMS[from], ROOMS[to]];
  if (importer === undefined || imported === undefined) return false;
  if (from === to) return true;
  const isInReach =
    importer.wing === 'both' ||
    importer.wing === imported.wing ||
    (importer.wing === 'kernel' && MEETING_ROOMS.includes(to));
  return isInReach && imported.floor < importer.floor;
}

function faultOfImport(file: string, specifier: string): string | undefined {
  const room = roomOf(file);
  if (specifier.startsWith('node:')) {
    if (room === PURE_ROOM) return `${specifier} in a room without node: modules`;
    const [module = ''] = specifier.slice('node:'.length).split('/');
    const isBarred = IO_MODULES.includes(module) && ROOMS[room]?.io.includes(module) !== true;
    return isBarred ? `${specifier} in a room without this I/O` : undefined;
  }
  if (specifier === 'koffi') {
    return file === KOFFI_FILE ? undefined : `koffi outside of ${KOFFI_FILE}`;
  }
  if (!specifier.startsWith('.')) return undefined;
  if (room === 'cli' && specifier === MANIFEST) return undefined;
  if (!specifier.endsWith('.ts')) return `${specifier} without .ts`;
  const target = resolve(file, specifier);
  return mayImport(room, roomOf(target)) ? undefined : `${room} may not import ${target}`;
}

function faultsOfCycles(tree: Tree): string[] {
  const faults: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      faults.push(`${file}: cycle ${[...path.slice(path.indexOf(file)), file].join(' → ')}`);
    }
    if (path.includes(file) || done.has(file)) return;
    for (const specifier of importsOf(tree[file] ?? '')) {
      if (specifier.startsWith('.')) visit(resolve(file, specifier), [...path, file]);
    }
    done.add(file);
  };
  for (const file of Object.keys(tree)) visit(file, []);
  return faults;
}

function faultsOf(tree: Tree): string[] {
  const faults = Object.entries(tree).flatMap(([file, source]) => {
    const lines = source.split('\n').length - 1;
    return [
      ROOMS[roomOf(file)] === undefined ? 'in no known room' : undefined,
      NAMELESS.test(posix.basename(file)) ? 'named after nothing' : undefined,
      lines > LINES_MAX && LONG_FILES[file] === undefined ? `${lines} lines, no reason` : undefined,
      ...importsOf(source).map((specifier) => faultOfImport(file, specifier)),
    ]
      .filter((fault) => fault !== undefined)
      .map((fault) => `${file}: ${fault}`);
  });
  return [...faults, ...faultsOfCycles(tree)];
}

async function readTree(): Promise<Tree> {
  const root = join(import.meta.dirname, '../src');
  const files = (await readdir(root, { recursive: true })).filter((file) => file.endsWith('.ts'));
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

t.test('src/ is the house that docs/architecture.md describes', async (t) => {
  const tree = await readTree();
  t.ok('cli.ts' in tree, 'it has been found');
  t.strictSame(faultsOf(tree), []);
  t.strictSame(
    Object.keys(LONG_FILES).filter((file) => !((tree[file] ?? '').split('\n').length > LINES_MAX)),
    [],
    'no reason is given for a file that needs none',
  );
});

t.test('the checker finds each kind of fault', async (t) => {
  const faulty: readonly [fault: string, tree: Tree][] = [
    ['import connections/b.ts', { 'conntrack/a.ts': "import { b } from '../connections/b.ts';" }],
    ['import net/b.ts', { 'runtime/a.ts': "import { b } from '../net/b.ts';" }],
    ['import controller/b.ts', { 'agent/a.ts': "import { b } from '../controller/b.ts';" }],
    ['import agent/b.ts', { 'controller/a.ts': "import { b } from '../agent/b.ts';" }],
    ['import netlink/b.ts', { 'cluster/a.ts': "import { b } from '../netlink/b.ts';" }],
    ['import telemetry/b.ts', { 'controller/a.ts': "import { b } from '../telemetry/b.ts';" }],
    ['import cluster/b.ts', { 'telemetry/a.ts': "import { b } from '../cluster/b.ts';" }],
    ['import ../test/b.ts', { 'agent/a.ts': "import { b } from '../../test/b.ts';" }],
    ['import agent/b.ts', { 'top/a.ts': "import { b } from '../agent/b.ts';" }],
    ['import agent/b.ts', { 'net/a.ts': "import type { B } from '../agent/b.ts';" }],
    ['import agent/b.ts', { 'net/a.ts': "import {\n  b,\n} from '../agent/b.ts';" }],
    ['import agent/b.ts', { 'net/a.ts': "export { b } from '../agent/b.ts';" }],
    ['import agent/b.ts', { 'net/a.ts': "import '../agent/b.ts';" }],
    ['import agent/b.ts', { 'net/a.ts': "await import('../agent/b.ts');" }],
    ['import agent/b.ts', { 'net/a.ts': "new URL('../agent/b.ts', import.meta.url);" }],
    ['import agent/b.ts', { 'net/a.ts': 'new URL(`../agent/b${end}`, import.meta.url);' }],
    ['koffi outside', { 'netlink/message.ts': "import koffi from 'koffi';" }],
    ['without this I/O', { 'cluster/a.ts': "import { open } from 'node:fs/promises';" }],
    ['without node:', { 'connections/a.ts': "import { hostname } from 'node:os';" }],
    ['without .ts', { 'agent/a.ts': "import { b } from './b';" }],
    ['without .ts', { 'agent/a.ts': "import { b } from './b.js';" }],
    ['no known room', { 'attic/a.ts': '' }],
    ['after nothing', { 'agent/utils.ts': '' }],
    ['301 lines', { 'agent/a.ts': '\n'.repeat(LINES_MAX + 1) }],
    ['cycle agent/a.ts → agent/a.ts', { 'agent/a.ts': "import { a } from './a.ts';" }],
    [
      'cycle agent/a.ts → agent/b.ts → agent/c.ts → agent/a.ts',
      {
        'agent/a.ts': "import { b } from './b.ts';",
        'agent/b.ts': "import type { C } from './c.ts';",
        'agent/c.ts': "export const load = () => import('./a.ts');",
      },
    ],
  ];
  for (const [fault, tree] of faulty) {
    const found = faultsOf(tree);
    t.equal(found.length, 1, fault);
    t.match(found[0], fault);
  }
});

t.test('the checker lets pass what the house allows', async (t) => {
  const tree = {
    'cli.ts': "import m from '../package.json' with { type: 'json' };\nimport('./agent/a.ts');",
    'agent/a.ts':
      "import type { B } from '../inventory/b.ts';\n// import { c } from '../controller/c.ts';",
    'telemetry/a.ts': "import { c } from '../runtime/c.ts';\nimport 'node:fs';",
    'netlink/socket.ts': "import koffi from 'koffi';\n/* import('../cli.ts') */",
    'controller/a.ts': '\n'.repeat(LINES_MAX),
  };
  t.strictSame(faultsOf(tree), []);
});

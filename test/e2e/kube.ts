/** A real kube-apiserver with a real etcd on loopback, as small as it goes: no kubelet, no controllers. */
import { spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { parse } from 'yaml';
import { freePort } from '../../src/demo/khan-process.ts';
import { requireProgramsOfKubernetes } from './kubernetes-programs.ts';

/** `rules:` of the ClusterRole that the chart ships. */
const RULES_FILE = join(import.meta.dirname, '../../deploy/helm/khan/files/controller-rules.yaml');
const READY_MS_MAX = 60_000;
const CHECK_MS = 100;
const END_MS_MAX = 10_000;

type Json = Readonly<Record<string, unknown>>;
type Named = Json & { readonly name: string };

interface Printed {
  readonly code: number;
  readonly output: string;
  /** What it has said on stderr. */
  readonly complaint: string;
}

interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
}

export class Kube implements AsyncDisposable {
  readonly url: string;
  readonly #folder: string;
  readonly #etcdPort: number;
  readonly #adminToken: string;
  readonly #argv: readonly string[];
  readonly #etcd: ChildProcess;
  #apiServer: ChildProcess | undefined;
  /** The server makes its own certificate. */
  readonly #dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  readonly #programs: Awaited<ReturnType<typeof requireProgramsOfKubernetes>>;

  private constructor(
    options: Pick<Kube, 'url'> & {
      readonly folder: string;
      readonly etcdPort: number;
      readonly adminToken: string;
      readonly argv: readonly string[];
      readonly etcd: ChildProcess;
      readonly programs: Awaited<ReturnType<typeof requireProgramsOfKubernetes>>;
    },
  ) {
    this.url = options.url;
    this.#folder = options.folder;
    this.#etcdPort = options.etcdPort;
    this.#adminToken = options.adminToken;
    this.#argv = options.argv;
    this.#etcd = options.etcd;
    this.#programs = options.programs;
  }

  /** Resolves when the API server is ready. `options` are more flags of it. */
  static async start(options: Readonly<Record<string, string>> = {}): Promise<Kube> {
    const programs = await requireProgramsOfKubernetes((line) => process.stderr.write(`${line}\n`));
    const folder = await mkdtemp(join(tmpdir(), 'khan-kube-'));
    const adminToken = randomUUID();
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    });
    await writeFile(join(folder, 'sa.pub'), publicKey);
    await writeFile(join(folder, 'sa.key'), privateKey, { mode: 0o600 });
    await writeFile(join(folder, 'tokens'), `${adminToken},admin,admin,system:masters\n`);
    const [etcdPort, peerPort, apiPort] = [await freePort(0), await freePort(0), await freePort(0)];
    const etcdUrl = `http://127.0.0.1:${etcdPort}`;
    const peerUrl = `http://127.0.0.1:${peerPort}`;
    const etcd = start(
      programs.etcd,
      flags({
        'data-dir': join(folder, 'etcd'),
        'unsafe-no-fsync': 'true',
        'log-level': 'error',
        'listen-client-urls': etcdUrl,
        'advertise-client-urls': etcdUrl,
        'listen-peer-urls': peerUrl,
        'initial-advertise-peer-urls': peerUrl,
        'initial-cluster': `default=${peerUrl}`,
      }),
    );
    const kube = new Kube({
      url: `https://127.0.0.1:${apiPort}`,
      folder,
      etcdPort,
      adminToken,
      etcd,
      programs,
      argv: flags({
        'etcd-servers': etcdUrl,
        'bind-address': '127.0.0.1',
        'secure-port': String(apiPort),
        'cert-dir': join(folder, 'certs'),
        'token-auth-file': join(folder, 'tokens'),
        'authorization-mode': 'RBAC',
        'service-account-issuer': 'https://kubernetes.default.svc',
        'service-account-key-file': join(folder, 'sa.pub'),
        'service-account-signing-key-file': join(folder, 'sa.key'),
        'service-cluster-ip-range': '10.96.0.0/16,fd00:96::/108',
        // Pods would need a ServiceAccount of their own; nothing runs them here.
        'disable-admission-plugins': 'ServiceAccount',
        // The tests decide when etcd forgets.
        'etcd-compaction-interval': '0',
        ...options,
      }),
    });
    try {
      await kube.startApiServer();
    } catch (error) {
      await kube[Symbol.asyncDispose]();
      throw error;
    }
    return kube;
  }

  /** Of the API server. */
  get caFile(): string {
    return join(this.#folder, 'certs', 'apiserver.crt');
  }

  async startApiServer(): Promise<void> {
    const server = start(this.#programs.kubeApiserver, this.#argv);
    this.#apiServer = server;
    const endMs = performance.now() + READY_MS_MAX;
    while (!(await this.#isReady())) {
      if (server.exitCode !== null) throw new Error(`kube-apiserver ended: ${server.exitCode}`);
      if (performance.now() > endMs)
        throw new Error('Cannot start kube-apiserver: not ready in time');
      await delay(CHECK_MS);
    }
  }

  /** At once, as when its node dies; it can be started again where it was. */
  async stopApiServer(): Promise<void> {
    await end(this.#apiServer, 'SIGKILL');
    this.#apiServer = undefined;
  }

  /** As admin. Throws an Error with the server's own message. */
  async api(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: Json,
  ): Promise<any> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const response = await request(`${this.url}${path}`, {
      method,
      dispatcher: this.#dispatcher,
      headers: { authorization: `Bearer ${this.#adminToken}`, 'content-type': type },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.body.text();
    if (response.statusCode < 300) return text.startsWith('{') ? JSON.parse(text) : text;
    throw new Error(`Cannot ${method} ${path}: ${response.statusCode} ${text}`);
  }

  /** Creates an object; its status, which the server leaves out of that, follows. */
  async create(path: string, { status, ...object }: Json & { readonly metadata: Named }) {
    const created = await this.api('POST', path, object);
    if (status === undefined) return created;
    return this.api('PATCH', `${path}/${object.metadata.name}/status`, { status });
  }

  async delete(path: string): Promise<void> {
    await this.api('DELETE', path, { gracePeriodSeconds: 0 });
  }

  async createServiceAccount({ namespace, name }: ServiceAccount): Promise<void> {
    await this.api('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, {
      metadata: { name },
    });
  }

  /** A token as the kubelet would project it; bound to a pod, it names the pod's node. */
  async token(
    { namespace, name }: ServiceAccount,
    options: {
      readonly audience?: string;
      readonly pod?: { readonly name: string; readonly uid: string };
      readonly seconds?: number;
    } = {},
  ): Promise<string> {
    const { audience, pod, seconds = 3600 } = options;
    const spec = {
      expirationSeconds: seconds,
      ...(audience !== undefined && { audiences: [audience] }),
      ...(pod !== undefined && { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', ...pod } }),
    };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    return (await this.api('POST', path, { spec })).status.token;
  }

  /** Lets a ServiceAccount do what the chart lets the controller do, and no more. */
  async grantControllerRules({ namespace, name }: ServiceAccount): Promise<void> {
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    const { rules } = parse(await readFile(RULES_FILE, 'utf8'));
    await this.api('POST', `${rbac}/clusterroles`, {
      metadata: { name: 'khan-controller' },
      rules,
    });
    await this.api('POST', `${rbac}/clusterrolebindings`, {
      metadata: { name: 'khan-controller' },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'ClusterRole',
        name: 'khan-controller',
      },
      subjects: [{ kind: 'ServiceAccount', namespace, name }],
    });
  }

  /** What this ServiceAccount may not do any more. */
  async revokeControllerRules(): Promise<void> {
    const rbac = '/apis/rbac.authorization.k8s.io/v1';
    await this.delete(`${rbac}/clusterrolebindings/khan-controller`);
    await this.delete(`${rbac}/clusterroles/khan-controller`);
  }

  /** A kubeconfig whose token is read from a file each time; returns both paths. */
  async kubeconfig(
    token: string,
    { server = this.url }: { readonly server?: string } = {},
  ): Promise<{ readonly path: string; readonly tokenFile: string }> {
    const base = join(this.#folder, randomUUID());
    const [path, tokenFile] = [`${base}.json`, `${base}.token`];
    await writeFile(tokenFile, token, { mode: 0o600 });
    await writeFile(
      path,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'test',
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
        clusters: [
          {
            name: 'test',
            cluster: { server, 'certificate-authority': this.caFile },
          },
        ],
        users: [
          {
            name: 'test',
            user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } },
          },
        ],
      }),
    );
    return { path, tokenFile };
  }

  /** Makes etcd forget all that was before now; a watch from before gets 410 unless a cache has it. */
  async compactEtcd(): Promise<void> {
    const call = async (path: string, body: Json): Promise<any> => {
      const url = `http://127.0.0.1:${this.#etcdPort}/v3/${path}`;
      const response = await request(url, { method: 'POST', body: JSON.stringify(body) });
      return response.body.json();
    };
    const { header } = await call('maintenance/status', {});
    await call('kv/compaction', { revision: header.revision, physical: true });
  }

  /** Runs kubectl as admin; returns what it prints, and its exit code. */
  async kubectl(argv: readonly string[]): Promise<Printed> {
    const server = ['--server', this.url, '--insecure-skip-tls-verify'];
    return this.#run(this.#programs.kubectl, [...server, '--token', this.#adminToken, ...argv]);
  }

  /** Runs helm as admin. */
  async helm(argv: readonly string[]): Promise<Printed> {
    const server = ['--kube-apiserver', this.url, '--kube-insecure-skip-tls-verify'];
    return this.#run(this.#programs.helm, [...argv, ...server, '--kube-token', this.#adminToken]);
  }

  async #run(program: string, argv: readonly string[]): Promise<Printed> {
    const child = spawn(program, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { HOME: this.#folder },
    });
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    const [code] = await once(child, 'close');
    return { code: Number(code), output, complaint };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
    await end(this.#apiServer, 'SIGKILL');
    await end(this.#etcd, 'SIGKILL');
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #isReady(): Promise<boolean> {
    return this.api('GET', '/readyz').then(
      () => true,
      () => false,
    );
  }
}

function flags(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).map(([name, value]) => `--${name}=${value}`);
}

/** Ends with this process, however that ends: setpriv sets the signal that the kernel sends then. */
function start(program: string, argv: readonly string[]): ChildProcess {
  const log = process.env['KHAN_E2E_LOG'] === undefined ? 'ignore' : 'inherit';
  return spawn('setpriv', ['--pdeathsig', 'KILL', program, ...argv], {
    stdio: ['ignore', log, log],
  });
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit', { signal: AbortSignal.timeout(END_MS_MAX) });
  child.kill(signal);
  await ended;
}

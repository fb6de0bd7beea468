import { once } from 'node:events';
import { HttpMethod, KubeConfig, RequestContext, type Cluster } from '@kubernetes/client-node';
import { Agent } from 'undici';
import { EXIT_USAGE, Failure } from '../runtime/failure.ts';
import { ApiConnection, type ConnectionLimits } from './api-connection.ts';

interface ClientLimits extends ConnectionLimits {
  /** Until an exec plugin, which may ask a cloud, has answered. */
  readonly credentialsMsMax: number;
}

/** An idle watch gets a bookmark about every minute. */
const LIMITS: ClientLimits = {
  headersMsMax: 30_000,
  silenceMsMax: 150_000,
  credentialsMsMax: 30_000,
};

interface Origin {
  /** Path of the file; undefined inside of a pod. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** Where the API server is and who asks. */
export class ClusterClient {
  /** The API server's URL. */
  readonly server: string;
  readonly #limits: ClientLimits;
  #config: KubeConfig;

  private constructor(config: KubeConfig, { server }: Cluster, limits: Partial<ClientLimits>) {
    this.#config = config;
    this.server = server.replace(/\/+$/, '');
    this.#limits = { ...LIMITS, ...limits };
  }

  /** Throws a {@link Failure} that says where a configuration was looked for when there is none. */
  static load({
    limits = {},
    ...origin
  }: Origin & { readonly limits?: Partial<ClientLimits> }): ClusterClient {
    const place = origin.kubeconfig === undefined ? 'of this pod' : `in ${origin.kubeconfig}`;
    try {
      const config = loadConfig(origin);
      return new ClusterClient(config, usableCluster(config), limits);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `Cannot use the Kubernetes configuration ${place}: ${reason}`;
      throw new Failure(message, { exitCode: EXIT_USAGE, cause });
    }
  }

  /**
   * A connection with the credentials of this moment: a token file is read again once a minute, an
   * exec plugin asked again when its credential has expired. The library makes one pool of TLS
   * connections a call, so whoever asks more than once keeps what this returns.
   */
  async connect({ signal }: { readonly signal: AbortSignal }): Promise<ApiConnection> {
    const { credentialsMsMax, ...limits } = this.#limits;
    const context = new RequestContext(this.server, HttpMethod.GET);
    const ended = AbortSignal.any([signal, AbortSignal.timeout(credentialsMsMax)]);
    ended.throwIfAborted();
    try {
      // The library waits for an exec plugin for ever.
      const waiting = once(ended, 'abort').then(() => Promise.reject(ended.reason));
      await Promise.race([this.#config.applySecurityAuthentication(context), waiting]);
    } catch (cause) {
      throw new Error(`Cannot get credentials for the API server ${this.server}`, { cause });
    }
    return new ApiConnection({
      ...limits,
      server: this.server,
      headers: context.getHeaders(),
      dispatcher: context.getDispatcher() ?? new Agent(),
    });
  }

  /** The library keeps credentials as long as they should be good; the server has refused them. */
  forgetCredentials(): void {
    const { clusters, users, contexts, currentContext } = this.#config;
    this.#config = new KubeConfig();
    this.#config.loadFromOptions({ clusters, users, contexts, currentContext });
  }
}

function loadConfig({ kubeconfig, context }: Origin): KubeConfig {
  const config = new KubeConfig();
  if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
  else if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined) config.loadFromCluster();
  else {
    throw new Error(
      'this is none (KUBERNETES_SERVICE_HOST is not set), and no kubeconfig is given',
    );
  }
  if (context === undefined) return config;
  if (config.getContextObject(context) === null) {
    const known = config.getContexts().map(({ name }) => name);
    throw new Error(`it has no context ${context}, only ${known.join(', ') || 'none'}`);
  }
  config.setCurrentContext(context);
  return config;
}

/** Throws an Error for what the library would only refuse at each request. */
function usableCluster(config: KubeConfig): Cluster {
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error('its current context names no cluster');
  const { server, skipTLSVerify } = cluster;
  if (!URL.canParse(server)) throw new Error(`its server is no URL: ${server}`);
  if (server.startsWith('http:') && !skipTLSVerify) {
    throw new Error(`${server} is not encrypted, and insecure-skip-tls-verify is not set`);
  }
  return cluster;
}

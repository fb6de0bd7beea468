import type { Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import swagger, { type FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { fastify, type FastifyInstance } from 'fastify';
import { REQUEST_BYTES_MAX } from '../inventory/wire.ts';
import type { Log } from '../runtime/log.ts';
import type { Authenticator, Caller } from './authenticate.ts';
import { compressResponses } from './compression.ts';
import { limitConnectionAge } from './connection-age.ts';
import { inventoryApi } from './inventory-api.ts';
import { originalCache } from './original-cache.ts';
import { answerProblems } from './problem.ts';
import { resolveApi, type Knowledge } from './resolve-api.ts';
import type { SelfMetrics } from './self-metrics.ts';

/** From the first byte of a request to its last. */
const REQUEST_MS_MAX = 10_000;
/** A request or an answer of which nothing moves, such as of a reader who has stopped reading. */
const STALLED_MS_MAX = 30_000;
/** Longer than the agents' poll interval, so that each keeps its connection. */
const KEEP_ALIVE_MS = 75_000;
/** An idle connection costs 72 KiB with TLS. */
const CONNECTIONS_MAX = 8192;

type Document = NonNullable<FastifyDynamicSwaggerOptions['openapi']>;

const CALLER = 'caller';

export interface ServerOptions extends Knowledge {
  readonly nextPollMs: number;
  readonly metrics: SelfMetrics;
  readonly version: string;
  readonly log: Log;
  /** Undefined: everybody may ask. */
  readonly authenticator?: Authenticator | undefined;
  /** Undefined: in clear text. With `ca`, whoever asks must have a certificate signed by it. */
  readonly tls?: SecureContextOptions | undefined;
  readonly connectionAgeMsMax: number;
  readonly hasOriginalCache: boolean;
  /** How long a request waits for its turn, unless as long as usual. */
  readonly waitMsMax?: number;
}

/** All that agents ask; it does not listen yet. */
export function createServer(options: ServerOptions): FastifyInstance {
  const { inventory, authenticator, tls, log, version, metrics } = options;
  const app: FastifyInstance = fastify({
    bodyLimit: REQUEST_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    connectionTimeout: STALLED_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Who is told to go on elsewhere by `connection: close` still gets an answer.
    return503OnClosing: false,
    // What a newer agent sends beside what is known here is ignored, and nothing is converted.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    ...(tls !== undefined && {
      https: {
        ...tls,
        handshakeTimeout: REQUEST_MS_MAX,
        requestCert: tls.ca !== undefined,
        rejectUnauthorized: tls.ca !== undefined,
      },
    }),
  });
  app.server.maxConnections = CONNECTIONS_MAX;
  app.server.on('connection', (socket: Socket) => {
    metrics.connected();
    socket.once('close', () => metrics.disconnected());
  });
  answerProblems(app, log);
  compressResponses(app);
  limitConnectionAge(app, { maxAgeMs: options.connectionAgeMsMax });
  app.register(swagger, { openapi: openapi(version, authenticator !== undefined) });

  app.decorateRequest(CALLER);
  app.register(async (scope) => {
    if (authenticator !== undefined) {
      // Only for pages that can be served now, and before the body is read.
      scope.addHook('preParsing', async (request, _reply, payload) => {
        const { authorization } = request.headers;
        request.setDecorator(CALLER, await authenticator.authenticate(authorization));
        return payload;
      });
    }
    scope.register(async (inner) =>
      resolveApi(inner, {
        ...options,
        callerOf: (request) => request.getDecorator<Caller | undefined>(CALLER),
      }),
    );
    inventoryApi(scope, { inventory });
  });
  if (options.hasOriginalCache) originalCache(app, { inventory });
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}

function openapi(version: string, hasTokens: boolean): Document {
  return {
    openapi: '3.1.0',
    info: {
      title: 'khan controller',
      version,
      description: 'Who owns the addresses in the connection tracking tables of a cluster',
    },
    ...(hasTokens && {
      components: {
        securitySchemes: {
          serviceAccountToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        },
      },
      security: [{ serviceAccountToken: [] }],
    }),
  };
}

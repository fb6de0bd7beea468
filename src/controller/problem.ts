import { STATUS_CODES } from 'node:http';
import { errorCodes, type FastifyInstance, type FastifyReply } from 'fastify';
import { REQUEST_BYTES_MAX } from '../inventory/wire.ts';
import type { Log } from '../runtime/log.ts';

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
  },
} as const;

function documented(description: string): object {
  return { description, content: { 'application/problem+json': { schema: problemSchema } } };
}

/** What a page behind authentication may answer instead, for the OpenAPI document. */
export const PROBLEM_RESPONSES = {
  400: documented('The request is not as this document says'),
  401: documented('There is no token, or none that is accepted'),
  403: documented('The token is accepted, but may not ask this'),
  503: documented('Not possible now; Retry-After says when to ask again'),
} as const;

export const RESOLVE_PROBLEM_RESPONSES = {
  ...PROBLEM_RESPONSES,
  413: documented('Too many addresses or bytes; `addressesMax` or `bodyBytesMax` is the limit'),
  415: documented('Not JSON, or compressed in a way that is not known here'),
  429: documented('Too many requests; Retry-After says when to ask again'),
} as const;

/** A request that is not served; its sender is told why, as RFC 9457 has it. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Extension members of the answer (RFC 9457, section 3.2). */
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    statusCode: number,
    detail: string,
    options: {
      readonly headers?: Readonly<Record<string, string>>;
      readonly members?: Readonly<Record<string, unknown>>;
      readonly cause?: unknown;
    } = {},
  ) {
    super(detail, { cause: options.cause });
    this.statusCode = statusCode;
    this.headers = options.headers ?? {};
    this.members = options.members ?? {};
  }
}

export function tooLarge(cause: unknown): Problem {
  const members = { bodyBytesMax: REQUEST_BYTES_MAX };
  return new Problem(413, `The body has more than ${REQUEST_BYTES_MAX} bytes`, { members, cause });
}

/**
 * Answers every error of the application, the framework's own included, with a problem. Logs those that
 * nobody meant as an answer.
 */
export function answerProblems(app: FastifyInstance, log: Log): void {
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error);
    if (problem.statusCode >= 500 && error !== problem) {
      log.error({ err: error, method: request.method, url: request.url }, problem.message);
    }
    return sendProblem(reply, problem);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, new Problem(404, `There is no ${request.method} ${request.url}`)),
  );
}

/** What is not meant for the sender becomes a 500 without its message. */
function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof errorCodes.FST_ERR_CTP_BODY_TOO_LARGE) return tooLarge(error);
  if (error instanceof Error && 'statusCode' in error) {
    const { statusCode } = error;
    if (typeof statusCode === 'number' && statusCode < 500) {
      return new Problem(statusCode, error.message, { cause: error });
    }
  }
  return new Problem(500, 'The request failed', { cause: error });
}

function sendProblem(reply: FastifyReply, problem: Problem): FastifyReply {
  const { statusCode: status, message: detail, headers, members } = problem;
  // `about:blank`: the status code says what kind of problem it is (RFC 9457, section 4.2.1).
  const body = { type: 'about:blank', title: STATUS_CODES[status], status, detail, ...members };
  return reply.code(status).headers(headers).type('application/problem+json').send(body);
}

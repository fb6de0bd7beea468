import { ApiError } from './api-connection.ts';
import { MalformedEvent } from './watch-events.ts';

/** Why a watch or a list ended before it should. */
export type Interruption =
  | 'closed'
  | 'expired'
  | 'failed'
  | 'forbidden'
  | 'malformed'
  | 'refused'
  | 'reset'
  | 'silent'
  | 'throttled'
  | 'unauthorized';

/**
 * 422: the server knows of watch-lists, and its gate is closed. 400 may mean that too; where it means
 * the selectors, the pages are refused as well, and then the selectors are changed.
 */
export function isRefusalOfStream(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 400 || error.status === 422);
}

export function reasonOf(error: unknown): Interruption {
  if (error instanceof MalformedEvent) return 'malformed';
  if (!(error instanceof ApiError)) return reasonOfTransport(error);
  switch (error.status) {
    case 400:
    case 422:
      return 'refused';
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 410:
      return 'expired';
    case 429:
    case 503:
      return 'throttled';
    default:
      return 'failed';
  }
}

/** By the codes of undici, https://undici.nodejs.org/#/docs/api/Errors. */
function reasonOfTransport(error: unknown): Interruption {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT') return 'silent';
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' ? 'reset' : 'failed';
}

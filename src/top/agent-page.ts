import type { PageSource } from './agents.ts';

/** A page of 100,000 samples has 30 MB. */
const PAGE_BYTES_MAX = 256 * 1024 * 1024;
const PAGE_MS_MAX = 10_000;
/**
 * On its way a page is compressed: fetch() asks for that, and undoes it. With a name of its own this is
 * not taken for a Prometheus on the same host.
 */
const HEADERS = { accept: 'text/plain; version=0.0.4', 'user-agent': 'khan-top' };

interface Limits {
  readonly bytesMax: number;
  readonly msMax: number;
}

/** `GET /metrics` of a running agent. */
export function agentPage(
  url: URL,
  { bytesMax = PAGE_BYTES_MAX, msMax = PAGE_MS_MAX }: Partial<Limits> = {},
): PageSource {
  return { name: url.href, read: async (signal) => read(url, signal, { bytesMax, msMax }) };
}

async function read(url: URL, signal: AbortSignal, { bytesMax, msMax }: Limits): Promise<string> {
  const timeout = AbortSignal.timeout(msMax);
  try {
    const either = AbortSignal.any([signal, timeout]);
    const response = await fetch(url, { headers: HEADERS, redirect: 'manual', signal: either });
    if (response.status !== 200) throw new Error(`it answers with status ${response.status}`);
    return await textOf(response, bytesMax);
  } catch (cause) {
    throw new Error(timeout.aborted ? `no page within ${msMax / 1000} s` : reasonOf(cause), {
      cause,
    });
  }
}

async function textOf({ body }: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new Error(`its page has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** fetch() itself only says that it failed. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const code = 'code' in cause ? String(cause.code) : cause.message;
  return code === 'ECONNREFUSED' ? `${code}. Is an agent running there?` : code;
}

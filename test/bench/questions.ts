import type { Pool } from 'undici';
import { addressOf } from './pod-table.ts';

/** What an agent of a busy node asks for. */
const ADDRESSES = 1500;
/** Who asks in turn, so that none of them asks too often. */
export const NODES = 50;

/** Addresses of pods, far apart from each other. */
export function wantedOf(pods: number): readonly string[] {
  return Array.from({ length: ADDRESSES }, (_, at) =>
    addressOf(Math.floor((at * pods) / ADDRESSES)),
  );
}

export function nodeOf(round: number): string {
  return `node-${round % NODES}`;
}

export async function ask(agents: Pool, node: string, question: object): Promise<any> {
  const { statusCode, body } = await agents.request({
    path: '/v1/resolve',
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${node}` },
    body: JSON.stringify({ node, ...question }),
  });
  const answer: any = await body.json();
  if (statusCode !== 200) throw new Error(`Cannot measure: ${statusCode} ${answer.detail}`);
  return answer;
}

/**
 * Milliseconds of each round, all addresses wanted and all known, and the question of who knows all. Asks
 * all that are to ask first, so that their tokens have been reviewed.
 */
export async function resolveTimes(
  agents: Pool,
  {
    pages,
    pods,
    rounds,
  }: { readonly pages: string; readonly pods: number; readonly rounds: number },
) {
  const wanted = { want: wantedOf(pods) };
  const { epoch, rev } = await ask(agents, nodeOf(0), wanted);
  const known = { epoch, since: rev, have: wanted.want };
  for (let node = 0; node < NODES; node++) await ask(agents, nodeOf(node), wanted);
  const coldMs = await serverMs(pages, rounds, (round) => ask(agents, nodeOf(round), wanted));
  const warmMs = await serverMs(pages, rounds, (round) => ask(agents, nodeOf(round), known));
  return { known, coldMs, warmMs };
}

/** What the controller itself says of the time that a request takes. */
async function serverMs(
  pages: string,
  rounds: number,
  work: (round: number) => Promise<unknown>,
): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = await resolveSeconds(pages);
    await work(round);
    taken.push(1000 * ((await resolveSeconds(pages)) - before));
  }
  return taken;
}

async function resolveSeconds(pages: string): Promise<number> {
  const page = await (await fetch(`${pages}/metrics`)).text();
  return Number(/^khan_controller_resolve_duration_sum(?:\{[^}]*\})? (\S+)/m.exec(page)?.[1]);
}

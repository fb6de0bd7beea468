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

import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** How much sooner or later connections end: those that began together must not. */
const SPREAD = 0.2;

/**
 * Ends connections after a while, between two requests. Agents keep theirs for as long as they may,
 * so that after a rollout all would stay with the replica that came first.
 */
export function limitConnectionAge(
  app: FastifyInstance,
  { maxAgeMs, random = Math.random }: { readonly maxAgeMs: number; readonly random?: () => number },
): void {
  const endsAtMs = new WeakMap<Socket, number>();
  let isClosing = false;
  app.addHook('preClose', async () => {
    isClosing = true;
  });
  app.addHook('onSend', async ({ raw: { socket } }, reply) => {
    const nowMs = performance.now();
    const spreadMs = maxAgeMs * (1 - SPREAD + 2 * SPREAD * random());
    const endMs = endsAtMs.get(socket) ?? nowMs + spreadMs;
    endsAtMs.set(socket, endMs);
    if (isClosing || nowMs >= endMs) reply.header('connection', 'close');
  });
}

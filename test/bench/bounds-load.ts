/**
 * An agent under one load, in a process of its own: its memory is its own. Tells its parent the port of
 * its page, does one cycle each time it is told, and says what that took.
 */
import { createAgent } from '../../src/agent/agent.ts';
import { agentSettings } from '../../src/agent/config.ts';
import { sendText, startHttpServer } from '../../src/runtime/http-server.ts';
import { createLog } from '../../src/runtime/log.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { readOtelSettings } from '../../src/telemetry/otel-settings.ts';
import { longestBlock } from './loop-block.ts';

export interface CycleCost {
  readonly ms: number;
  readonly block_ms: number;
  /** Of this thread. */
  readonly block_cpu_ms: number;
  /** Heap of the main thread and buffers of all, after a collection of garbage. */
  readonly retained_mb: number;
}

const log = createLog({ name: 'bench', level: 'warn' });
const settings = readSettings(agentSettings, process.argv.slice(2), {});
const agent = await createAgent({ settings, version: '0', log }, readOtelSettings(process.env));
const { page, cycle } = agent;
const server = await startHttpServer({
  listen: { host: '127.0.0.1', port: 0 },
  routes: {
    '/metrics': (request, response) => page.handle(request, response),
    // With all values as they are: what the agent has counted, and not what it shows to whom.
    '/counted': async (_request, response) => sendText(response, 200, await page.render()),
  },
  log,
});
const { signal } = new AbortController();

process.on('message', (wish) => void answer(wish === 'collect'));
process.once('disconnect', () => process.exit());
process.send?.(server.port);

async function answer(isCollected: boolean): Promise<void> {
  const began = performance.now();
  const { ms, cpuMs } = await longestBlock(() => cycle.tick(signal));
  const cost: CycleCost = {
    ms: performance.now() - began,
    block_ms: ms,
    block_cpu_ms: cpuMs,
    retained_mb: isCollected ? retainedMb() : Number.NaN,
  };
  process.send?.(cost);
}

function retainedMb(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 1e6;
}

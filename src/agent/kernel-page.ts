import { readSettings } from '../runtime/settings.ts';
import { readOtelSettings } from '../telemetry/otel-settings.ts';
import { createAgent, type AgentOptions } from './agent.ts';
import { agentSettings, type AgentSettings } from './config.ts';

interface Options extends Pick<AgentOptions, 'version' | 'env' | 'log'> {
  /** What wins over the environment. */
  readonly given: Pick<AgentSettings, 'netns' | 'inventory-file'>;
}

interface KernelPage extends AsyncDisposable {
  readonly name: string;
  /** Takes a snapshot; the page with it, nothing held. Rejects as a cycle does. */
  readonly read: (signal: AbortSignal) => Promise<string>;
}

/** An agent in this process that serves nobody and pushes nothing: its page after each snapshot, on demand. */
export async function openKernelPage({ version, env, log, given }: Options): Promise<KernelPage> {
  const { netns, 'inventory-file': inventoryFile } = given;
  const ofAgent = readSettings(agentSettings, [], env);
  const settings = { ...ofAgent, netns, 'inventory-file': inventoryFile };
  const agent = await createAgent({ settings, version, log }, readOtelSettings({}));
  return {
    name: 'the kernel',
    async read(signal) {
      await agent.cycle.tick(signal);
      return agent.page.render();
    },
    [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
  };
}

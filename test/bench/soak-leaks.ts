import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { LEAK_PORT, LEAKING_APP } from './soak-pods.ts';

/** Where the log of an agent says that connections leak; all else that it says is passed on. */
export class LeaksTold {
  /** Client and port: who has no name yet has an address. */
  readonly #edges = new Set<string>();

  constructor({ stderr }: Pick<ChildProcess, 'stderr'>) {
    createInterface({ input: stderr! }).on('line', (line) => {
      // The last line may be cut off by the end of the agent.
      const said = line.startsWith('{') && line.endsWith('}') ? JSON.parse(line) : {};
      if (said.event !== 'khan.connection.leak') process.stderr.write(`${line}\n`);
      else if (said.leak_state === 'began')
        this.#edges.add(edgeOf(said.src_name ?? said.src_ip, said.dst_port));
    });
  }

  /** Of these pods, how many it has told of. */
  of(pods: readonly string[]): number {
    return pods.filter((pod) => this.#edges.has(edgeOf(pod, LEAK_PORT))).length;
  }

  /** Where nothing leaks: other pods, and what those that leak do besides. */
  get falseAlarms(): number {
    const leaks = [...this.#edges].filter(
      (edge) => edge.startsWith(`${LEAKING_APP}-`) && edge.endsWith(`:${LEAK_PORT}`),
    );
    return this.#edges.size - leaks.length;
  }
}

function edgeOf(client: string, port: number): string {
  return `${client}:${port}`;
}

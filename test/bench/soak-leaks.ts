import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The pods of which the log of an agent says that they leak; all else that it says is passed on. */
export class LeaksTold {
  readonly pods = new Set<string>();

  constructor({ stderr }: ChildProcess) {
    createInterface({ input: stderr! }).on('line', (line) => {
      const said = line.startsWith('{') ? JSON.parse(line) : {};
      if (said.event !== 'khan.connection.leak') process.stderr.write(`${line}\n`);
      else if (said.leak_state === 'began') this.pods.add(said.src_name);
    });
  }
}

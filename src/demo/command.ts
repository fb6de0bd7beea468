import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/** nft and ip live in sbin, which is not in the PATH of an ordinary user on every distribution. */
export const COMMAND_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** Runs a program with `input` on stdin to its end; its stdout. Throws what it said on stderr. */
export async function runCommand(argv: readonly string[], input = ''): Promise<string> {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { env: { ...process.env, PATH: COMMAND_PATH } });
  const exited = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? String(code)));
  });
  // A program that exits without reading its input breaks the pipe; its exit code tells the story.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  let status: string;
  try {
    status = await exited;
  } catch (cause) {
    throw new Error(`Cannot run ${program}: it did not start`, { cause });
  }
  const [stdout, stderr] = await output;
  if (status !== '0')
    throw new Error(`Cannot run ${argv.join(' ')}: exit ${status}: ${stderr.trim()}`);
  return stdout;
}

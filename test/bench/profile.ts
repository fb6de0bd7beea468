import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EXIT_USAGE, Failure } from '../../src/runtime/failure.ts';
import { callTree, costliest, type CallFrame, type CpuProfile } from './cpu-profile.ts';
import { flameGraph, type ThreadCalls } from './flame-graph.ts';
import { REPOSITORY } from './program.ts';
import { PROFILED, type ProfileSize } from './profiled-programs.ts';
import { rounded } from './spread.ts';

/** One line of the result: where most of the time of a thread goes, the function's own. */
interface ProfileResult {
  readonly scenario: string;
  readonly thread: string;
  readonly function: string;
  readonly place: string;
  readonly percent: number;
}

const COSTLIEST = 8;
const WRITTEN_MS_MAX = 30_000;
const CHECK_MS = 50;
const PRELOAD = join(import.meta.dirname, 'profile-threads.ts');

/**
 * Profiles one scenario, or all that can be: a .cpuprofile for each thread and an SVG for each
 * scenario, in `folder`.
 */
export async function profile(
  folder: string,
  { scenario, ...size }: ProfileSize & { readonly scenario: string },
): Promise<ProfileResult[]> {
  const names = scenario === 'all' ? Object.keys(PROFILED) : [scenario];
  const results: ProfileResult[] = [];
  await mkdir(folder, { recursive: true });
  for (const name of names) {
    const profiled = PROFILED[name];
    if (profiled === undefined) {
      const message = `Cannot profile ${name}: only ${Object.keys(PROFILED).join(', ')}`;
      throw new Failure(message, { exitCode: EXIT_USAGE });
    }
    process.stderr.write(`profile of ${name}\n`);
    const { threads, title, run } = profiled;
    const prefix = join(folder, name);
    await using resources = new AsyncDisposableStack();
    const files = Object.keys(threads).map((thread) => `${prefix}-${thread}.cpuprofile`);
    await Promise.all(files.map((file) => rm(file, { force: true })));
    await run(size, {
      resources,
      env: { NODE_OPTIONS: `--import=${PRELOAD}`, KHAN_BENCH_PROFILE: prefix },
      begin: (program) => program.kill('SIGUSR2'),
      end: async (program) => {
        program.kill('SIGUSR2');
        await written(files, program);
      },
    });
    const calls: ThreadCalls[] = [];
    for (const [thread, label] of Object.entries(threads)) {
      const root = await treeOf(`${prefix}-${thread}.cpuprofile`);
      const seconds = (root.totalUs / 1e6).toFixed(2);
      calls.push({ title: `${title}: ${label}, ${seconds} s that it did not wait`, root });
      for (const { name: called, place, selfUs } of costliest(root, COSTLIEST)) {
        const percent = rounded((100 * selfUs) / root.totalUs, 1);
        results.push({ scenario: name, thread, function: called, place, percent });
      }
    }
    await writeFile(`${prefix}.svg`, flameGraph(calls));
  }
  return results;
}

async function written(files: readonly string[], program: ChildProcess): Promise<void> {
  const endMs = performance.now() + WRITTEN_MS_MAX;
  while (!files.every((file) => existsSync(file))) {
    if (performance.now() > endMs || program.exitCode !== null)
      throw new Error('Cannot profile: a thread has written none');
    await delay(CHECK_MS);
  }
}

async function treeOf(file: string) {
  const whole: CpuProfile = JSON.parse(await readFile(file, 'utf8'));
  return callTree(whole, describe);
}

function describe({ functionName, url, lineNumber }: CallFrame, callerPlace: string) {
  const place = placeOf(url, lineNumber + 1);
  // What makes the load and takes the measurements is not the program.
  if (place.startsWith('test/')) return undefined;
  // V8 calls every function of koffi by the name of one of them.
  const isLibc = place === '' && callerPlace.startsWith('src/netlink/socket.ts');
  return { name: isLibc ? 'libc: recv()' : functionName || '(anonymous)', place };
}

/** src/… with its line, or the name of a package, or a module of Node. */
function placeOf(url: string, line: number): string {
  if (!url.startsWith('file:')) return url;
  const path = relative(REPOSITORY, fileURLToPath(url));
  const name = /node_modules\/(?<name>(?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path);
  return name?.groups?.['name'] ?? `${path}:${line}`;
}

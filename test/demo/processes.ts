import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** All processes that this one started, and they in turn. */
export function descendants(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  if (children === '') return [];
  return children.split(' ').flatMap((child) => [Number(child), ...descendants(Number(child))]);
}

export function isRunning(pid: number): boolean {
  try {
    // After the name in parentheses; Z is dead and waits for its parent.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** The identity of the process's network namespace, such as `net:[4026532176]`. */
export function networkNamespaceOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

/** Network namespaces that any process of this machine is in. */
export function networkNamespaces(): ReadonlySet<string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.flatMap((pid) => {
    try {
      return [networkNamespaceOf(Number(pid))];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
  return new Set(found);
}

import { spawnSync } from 'node:child_process';

/** Why tests that need network namespaces are skipped; false where they can run. */
export const skipWithoutNamespaces =
  spawnSync('unshare', ['--net', 'true']).status === 0
    ? false
    : 'network namespaces are not allowed here: run as root, or under unshare --map-root-user';

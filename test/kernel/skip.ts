import { spawnSync } from 'node:child_process';
import { COMMAND_PATH } from '../../src/demo/command.ts';

const env = { ...process.env, PATH: COMMAND_PATH };

/**
 * For the options of a test that needs network namespaces of its own: why it is skipped, or false.
 * Nothing is skipped where CI is set: there a missing program or permission is a failure.
 */
export const skip = process.env['CI'] === 'true' ? false : obstacle();

if (skip !== false) process.stderr.write(`SKIPPED: ${skip}\n`);

function obstacle(): string | false {
  if (spawnSync('unshare', ['--net', 'true'], { env }).status !== 0) {
    return 'network namespaces are not allowed here: run as root, or under unshare --map-root-user';
  }
  if (spawnSync('nft', ['--version'], { env }).status !== 0) {
    return 'nft is missing: install nftables';
  }
  return false;
}

import { EXIT_PERMISSION, Failure } from '../runtime/failure.ts';
import { COMMAND_PATH, runCommand } from './command.ts';

const USER_NAMESPACE = ['unshare', '--user', '--map-root-user'];

/**
 * Whoever may not make network namespaces becomes root of a user namespace, if the system allows
 * it: this process is then replaced by itself inside of one, and the call does not return.
 */
export async function gainNamespaces(): Promise<void> {
  if (await succeeds(['unshare', '--net', 'true'])) return;
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  if (process.execve !== undefined && (await succeeds([...USER_NAMESPACE, '--net', 'true']))) {
    const environment = { ...process.env, PATH: COMMAND_PATH };
    process.execve('/usr/bin/env', ['env', ...USER_NAMESPACE, ...self], environment);
  }
  throw new Failure(
    'Cannot make network namespaces: not root, and user namespaces are not allowed here. ' +
      `Type: sudo ${self.join(' ')}`,
    { exitCode: EXIT_PERMISSION },
  );
}

async function succeeds(argv: readonly string[]): Promise<boolean> {
  return runCommand(argv).then(
    () => true,
    () => false,
  );
}

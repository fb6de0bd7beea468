import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import type { Log } from '../runtime/log.ts';
import { COMMAND_PATH, runCommand } from './command.ts';

/** Programs that build the lab, and the package that has them on every distribution. */
const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  nsenter: 'util-linux',
  unshare: 'util-linux',
};

const INSTALLERS: Readonly<Record<string, string>> = {
  'apt-get': 'apt-get install -y',
  dnf: 'dnf install -y',
  apk: 'apk add',
  zypper: 'zypper install -y',
  pacman: 'pacman -S --noconfirm',
};

export async function hasProgram(name: string): Promise<boolean> {
  const looks = COMMAND_PATH.split(':').map(async (directory) =>
    access(join(directory, name), constants.X_OK),
  );
  return (await Promise.allSettled(looks)).some(({ status }) => status === 'fulfilled');
}

/** Installs what is missing, as root of a Debian; else throws a {@link Failure}: what to type. */
export async function requirePrograms({ log }: { readonly log: Log }): Promise<void> {
  let missing = await missingPrograms();
  if (missing.length > 0 && process.getuid?.() === 0 && (await hasProgram('apt-get'))) {
    log.warn({ missing }, `installing ${packagesOf(missing)} with apt-get`);
    await aptInstall(missing);
    missing = await missingPrograms();
  }
  if (missing.length === 0) return;
  const installer = await firstInstaller();
  throw new Failure(
    `Cannot build a cluster on this machine: ${missing.join(', ')} missing. ` +
      `Type: ${installer === undefined ? 'install' : `sudo ${installer}`} ${packagesOf(missing)}`,
    { exitCode: EXIT_FAILURE },
  );
}

async function aptInstall(programs: readonly string[]): Promise<void> {
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  const packages = packagesOf(programs);
  try {
    await runCommand([...apt, 'update']);
    await runCommand([...apt, 'install', '-y', '--no-install-recommends', ...packages.split(' ')]);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(`Cannot install ${packages}: ${reason}`, { exitCode: EXIT_FAILURE, cause });
  }
}

async function missingPrograms(): Promise<readonly string[]> {
  const names = Object.keys(PACKAGES);
  const present = await Promise.all(names.map(hasProgram));
  return names.filter((_, index) => !present[index]);
}

async function firstInstaller(): Promise<string | undefined> {
  for (const [name, command] of Object.entries(INSTALLERS)) {
    if (await hasProgram(name)) return command;
  }
  return undefined;
}

function packagesOf(programs: readonly string[]): string {
  return [...new Set(programs.map((name) => PACKAGES[name] ?? name))].join(' ');
}

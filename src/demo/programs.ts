import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import type { Log } from '../runtime/log.ts';
import { COMMAND_PATH, runCommand } from './command.ts';

/** Programs by name, with the package that has them on every distribution. */
type Packages = Readonly<Record<string, string>>;

const LAB_PACKAGES: Packages = {
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
export async function requirePrograms({
  log,
  packages = LAB_PACKAGES,
  purpose = 'build a cluster on this machine',
}: {
  readonly log: Log;
  readonly packages?: Packages;
  /** What cannot be done without them. */
  readonly purpose?: string;
}): Promise<void> {
  let missing = await missingOf(packages);
  if (missing.length > 0 && process.getuid?.() === 0 && (await hasProgram('apt-get'))) {
    const wanted = packagesOf(missing, packages);
    log.warn({ missing }, `installing ${wanted} with apt-get`);
    await aptInstall(wanted);
    missing = await missingOf(packages);
  }
  if (missing.length === 0) return;
  const installer = await firstInstaller();
  const command = installer === undefined ? 'install' : `sudo ${installer}`;
  throw new Failure(
    `Cannot ${purpose}: ${missing.join(', ')} missing. ` +
      `Type: ${command} ${packagesOf(missing, packages)}`,
    { exitCode: EXIT_FAILURE },
  );
}

async function aptInstall(packages: string): Promise<void> {
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  try {
    await runCommand([...apt, 'update']);
    await runCommand([...apt, 'install', '-y', '--no-install-recommends', ...packages.split(' ')]);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Failure(`Cannot install ${packages}: ${reason}`, { exitCode: EXIT_FAILURE, cause });
  }
}

async function missingOf(packages: Packages): Promise<readonly string[]> {
  const names = Object.keys(packages);
  const present = await Promise.all(names.map(hasProgram));
  return names.filter((_, index) => !present[index]);
}

async function firstInstaller(): Promise<string | undefined> {
  for (const [name, command] of Object.entries(INSTALLERS)) {
    if (await hasProgram(name)) return command;
  }
  return undefined;
}

function packagesOf(programs: readonly string[], packages: Packages): string {
  return [...new Set(programs.map((name) => packages[name] ?? name))].join(' ');
}

import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';

/** Paths of PEM files, and of a token; each is replaced now and then while the agent runs. */
export interface CredentialFiles {
  /** Of a ServiceAccount, as the kubelet projects it and renews it about hourly. */
  readonly token?: string | undefined;
  /** Who may have signed the controller's certificate; the usual authorities unless given. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Options of a TLS connection. */
export type TlsContent = Readonly<Partial<Record<'ca' | 'cert' | 'key', string>>>;

/** What the agent shows to the controller, and what it believes. */
export class Credentials {
  readonly #files: CredentialFiles;
  #tls: TlsContent = {};

  constructor(files: CredentialFiles) {
    this.#files = files;
  }

  /**
   * Reads all files: they are small, and the kubelet swaps them by symbolic link, of which no
   * modification time tells. `tls` is the same object as long as its content is.
   */
  async read(): Promise<{ readonly token: string | undefined; readonly tls: TlsContent }> {
    const { token, ...files } = this.#files;
    const tls: Record<string, string> = {};
    for (const [option, path] of Object.entries(files)) {
      if (path !== undefined) tls[option] = await readText(path);
    }
    if (!isDeepStrictEqual(tls, this.#tls)) this.#tls = tls;
    return {
      token: token === undefined ? undefined : (await readText(token)).trim(),
      tls: this.#tls,
    };
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot read ${path}: ${reason}`, { cause });
  }
}

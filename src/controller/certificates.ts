import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions, type Server } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { EXIT_FAILURE, Failure } from '../runtime/failure.ts';
import type { Log } from '../runtime/log.ts';

interface Paths {
  readonly certPath: string;
  readonly keyPath: string;
  /** Whoever asks must have a certificate that these have signed. */
  readonly clientCaPath: string | undefined;
}

/** The certificate files of a server, which are swapped while it runs. */
export class Certificates {
  readonly #paths: Paths;
  readonly #log: Log;
  #content: SecureContextOptions | undefined;
  #fault: string | undefined;

  constructor({ log, ...paths }: Paths & { readonly log: Log }) {
    this.#paths = paths;
    this.#log = log;
  }

  /** Throws a {@link Failure} when they cannot be read or do not belong together. */
  async load(): Promise<SecureContextOptions> {
    const { certPath, keyPath, clientCaPath } = this.#paths;
    try {
      const content = {
        cert: await readFile(certPath),
        key: await readFile(keyPath),
        ...(clientCaPath !== undefined && { ca: await readCa(clientCaPath) }),
        minVersion: 'TLSv1.2',
      } as const;
      createSecureContext(content);
      return (this.#content = content);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `Cannot use the certificate ${certPath} with the key ${keyPath}: ${reason}`;
      throw new Failure(message, { exitCode: EXIT_FAILURE, cause });
    }
  }

  /** Gives a server what has changed. What is wrong is logged once, and what it had stays. */
  async refresh(server: Pick<Server, 'setSecureContext'>): Promise<void> {
    const before = this.#content;
    try {
      const content = await this.load();
      if (!isDeepStrictEqual(content, before)) {
        server.setSecureContext(content);
        this.#log.info({ path: this.#paths.certPath }, 'Certificate read again');
      }
      this.#fault = undefined;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.message !== this.#fault) this.#log.error(`${error.message}; the last one stays`);
      this.#fault = error.message;
    }
  }
}

/** A secure context takes a file without any, such as one that is being written, and then trusts nobody. */
async function readCa(path: string): Promise<Buffer> {
  const ca = await readFile(path);
  if (!hasCertificate(ca)) throw new Error(`${path} has no certificate`);
  return ca;
}

function hasCertificate(pem: Buffer): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

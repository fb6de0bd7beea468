import { randomUUID } from 'node:crypto';
import { generate } from 'selfsigned';

/** A certificate that has signed itself, as PEM, with a subject of its own; it names these addresses. */
export async function certificate({
  addresses,
  days = 1,
}: {
  readonly addresses: readonly string[];
  readonly days?: number;
}): Promise<{ readonly cert: string; readonly key: string }> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: randomUUID() }], {
    notAfterDate: new Date(Date.now() + days * 24 * 3_600_000),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: addresses.map((ip) => ({ type: 7, ip })) },
    ],
  });
  return { cert, key };
}

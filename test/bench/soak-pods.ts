/** The pods of the soak: who has which address now, as an inventory file says it. */
import { rename, writeFile } from 'node:fs/promises';

export const FAMILIES = ['ipv4', 'ipv6'] as const;
export type Family = (typeof FAMILIES)[number];
export type Addresses = Readonly<Record<Family, string>>;

export interface Pod {
  readonly name: string;
  readonly app: string;
  readonly addresses: Addresses;
}

export const SERVICES = 12;
/** Addresses of pods that are given out in turn: after these many pods an address comes back. */
const PLACES = 1024;
const APPS = ['web', 'cart', 'checkout', 'search', 'mail', 'stock', 'report', 'queue', 'hoarder'];
/** Its connections pile up at one place, on a port where there are no others: they would explain it. */
export const LEAKING_APP = 'hoarder';
export const LEAK_PORT = 8081;
/** Has as many at one place as a leak is looked for in, and never more. */
export const POOLING_APP = 'queue';

export function serviceAddresses(service: number): Addresses {
  return { ipv4: `10.96.0.${1 + service}`, ipv6: `fd00:96::${1 + service}` };
}

export function backendAddresses(service: number): Addresses {
  return { ipv4: `10.2.0.${1 + service}`, ipv6: `fd00:2::${1 + service}` };
}

/** The nth pod since the beginning. */
export function podOf(nth: number): Pod {
  const place = nth % PLACES;
  const app = APPS[nth % APPS.length]!;
  return {
    name: `${app}-${nth}`,
    app,
    addresses: {
      ipv4: `10.1.${place >>> 8}.${place & 0xff}`,
      ipv6: `fd00:1::${place.toString(16)}`,
    },
  };
}

/** In one step, as a mounted ConfigMap changes. */
export async function writeInventory(path: string, pods: Iterable<Pod>): Promise<void> {
  const addresses: Record<string, object> = {};
  const claim = (owned: Addresses, owner: object) => {
    for (const family of FAMILIES) addresses[owned[family]] = owner;
  };
  for (const { name, app, addresses: owned } of pods) {
    const workload = { kind: 'Deployment', name: app };
    claim(owned, { type: 'pod', namespace: 'shop', app, name, node: 'node-a', workload });
  }
  for (let nth = 0; nth < SERVICES; nth++) {
    const app = `api-${nth}`;
    claim(serviceAddresses(nth), { type: 'service', namespace: 'shop', app, name: app });
    claim(backendAddresses(nth), {
      type: 'pod',
      namespace: 'shop',
      app,
      name: `${app}-0`,
      node: 'node-b',
    });
  }
  await writeFile(`${path}.next`, JSON.stringify({ addresses }));
  await rename(`${path}.next`, path);
}

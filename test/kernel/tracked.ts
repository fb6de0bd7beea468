import { fileURLToPath } from 'node:url';
import { NetworkNamespace } from '../../src/demo/namespace.ts';
import type { Shortly } from './short-connections.ts';

const SHORT_CONNECTIONS = fileURLToPath(new URL('./short-connections.ts', import.meta.url));
/** Some rule has to ask for tracking, or the kernel does none. */
const TRACKING = `table inet tracking {
  chain input { type filter hook input priority 0; ct state new counter; }
}`;

/** A namespace that tracks its connections, and forgets those that are over after a second. */
export async function createTracked(): Promise<NetworkNamespace> {
  const namespace = await NetworkNamespace.create('tracked');
  await namespace.nft(TRACKING);
  await namespace.sysctl({
    'net/netfilter/nf_conntrack_tcp_timeout_close': '1',
    'net/netfilter/nf_conntrack_tcp_timeout_time_wait': '1',
    'net/netfilter/nf_conntrack_udp_timeout': '1',
  });
  return namespace;
}

/** Resolves when the last of these connections has ended. */
export async function make(namespace: NetworkNamespace, wishes: readonly Shortly[]): Promise<void> {
  await namespace.run([process.execPath, SHORT_CONNECTIONS, JSON.stringify(wishes)]);
}

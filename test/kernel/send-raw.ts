/**
 * Sends one packet to an address that no socket of Node can: an ICMP echo request (IPv4 or IPv6), as
 * ping(8) does, which few containers have; or a TCP segment with SYN and FIN, which nobody may send.
 */
import { isIPv6 } from 'node:net';
import koffi from 'koffi';
import { parseAddress } from '../../src/net/address.ts';

const SOCK_RAW = 3;
const [address = '', kind = 'echo'] = process.argv.slice(2);
// Echo request, id 0x1234, sequence 1; the checksum of ICMPv6 is the kernel's work (RFC 3542, 3.1).
const PACKETS: Readonly<Record<string, readonly [protocol: number, packet: string]>> = {
  'echo IPv4': [1, '0800e5ca12340001'],
  'echo IPv6': [58, '8000000012340001'],
  // Ports 1 and 2, five words of header, flags 0x03.
  'malformed IPv4': [6, '0001000200000000000000005003000000000000'],
};
const [family, addressAt, addressBytes] = isIPv6(address) ? [10, 8, 28] : [2, 4, 16];
const [protocol = 0, packet = ''] = PACKETS[`${kind} ${isIPv6(address) ? 'IPv6' : 'IPv4'}`] ?? [];

const libc = koffi.load(null);
const socket = libc.func('int socket(int, int, int)');
const sendto = libc.func('long sendto(int, const void *, size_t, int, const void *, uint32_t)');

// struct sockaddr_in, sockaddr_in6
const to = new Uint8Array(addressBytes);
to[0] = family;
to.set(parseAddress(address)!, addressAt);
const bytes = Buffer.from(packet, 'hex');
const fd: number = socket(family, SOCK_RAW, protocol);
const sent: number = sendto(fd, bytes, bytes.length, 0, to, to.length);
if (sent !== bytes.length) throw new Error(`Cannot send to ${address}: errno ${koffi.errno()}`);

/** Sends one ICMP echo request to an address (IPv4 or IPv6), as ping(8) does, which few containers have. */
import { isIPv6 } from 'node:net';
import koffi from 'koffi';
import { parseAddress } from '../../src/net/address.ts';

const SOCK_RAW = 3;
const [address = ''] = process.argv.slice(2);
// Echo request, id 0x1234, sequence 1; the checksum of ICMPv6 is the kernel's work (RFC 3542, 3.1).
const { family, protocol, packet, addressAt, addressBytes } = isIPv6(address)
  ? { family: 10, protocol: 58, packet: '8000000012340001', addressAt: 8, addressBytes: 28 }
  : { family: 2, protocol: 1, packet: '0800e5ca12340001', addressAt: 4, addressBytes: 16 };

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
if (sent !== bytes.length) throw new Error(`Cannot ping ${address}: errno ${koffi.errno()}`);

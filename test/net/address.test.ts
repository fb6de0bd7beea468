import { SocketAddress } from 'node:net';
import * as fc from 'fast-check';
import t from 'tap';
import {
  addressKey,
  canonicalAddress,
  formatAddress,
  parseAddress,
} from '../../src/net/address.ts';

/** Groups of which many are zero, so that runs of zeros of all lengths come up. */
const ipv6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])));
const ipv4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });

t.test('formatAddress() writes IPv4 with dots', async (t) => {
  t.equal(formatAddress(Uint8Array.of(0, 0, 0, 0)), '0.0.0.0');
  t.equal(formatAddress(Uint8Array.of(10, 1, 0, 255)), '10.1.0.255');
});

t.test('canonicalAddress() writes IPv6 as RFC 5952, section 4', async (t) => {
  for (const [text, canonical] of [
    ['2001:0DB8:0:0::0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['fd00:0:0:0:0:0:0:0', 'fd00::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ] as const) {
    t.equal(canonicalAddress(text), canonical);
  }
});

t.test('canonicalAddress() makes an IPv4-mapped address the IPv4 address', async (t) => {
  t.equal(canonicalAddress('::ffff:10.1.0.11'), '10.1.0.11');
  t.equal(canonicalAddress('0:0:0:0:0:FFFF:0a01:000b'), '10.1.0.11');
  t.equal(
    formatAddress(Uint8Array.from([...Array(10).fill(0), 255, 255, 10, 1, 0, 11])),
    '10.1.0.11',
  );
  t.equal(canonicalAddress('::fffe:10.1.0.11'), '::fffe:a01:b');
});

t.test('canonicalAddress() leaves the zone out', async (t) => {
  t.equal(canonicalAddress('fe80::1%eth0'), 'fe80::1');
});

t.test('canonicalAddress() gives undefined for what is no address', async (t) => {
  for (const text of [
    '',
    'web',
    '10.0.0',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.1/8',
    ':::',
    '1::2::3',
    '[::1]',
  ]) {
    t.equal(canonicalAddress(text), undefined, text);
  }
});

t.test('formatAddress() refuses any other number of bytes', async (t) => {
  t.throws(() => formatAddress(new Uint8Array(5)), {
    message: 'Cannot format an address: 5 bytes are neither 4 nor 16',
  });
});

t.test('formatAddress() agrees with the serialiser of the WHATWG URL standard', async () => {
  fc.assert(
    fc.property(ipv6Bytes, (bytes) => {
      const groups = Array.from({ length: 8 }, (_, at) =>
        Buffer.from(bytes)
          .readUInt16BE(2 * at)
          .toString(16),
      );
      const oracle = new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
      return oracle.startsWith('::ffff:') && oracle.split(':').length === 5
        ? formatAddress(bytes) === [...bytes.subarray(12)].join('.')
        : formatAddress(bytes) === oracle;
    }),
    { numRuns: 2000 },
  );
});

t.test('canonicalAddress() reads back what another formatter wrote', async () => {
  fc.assert(
    fc.property(fc.oneof(ipv4Bytes, ipv6Bytes), (bytes) => {
      const written = formatAddress(bytes);
      const family = written.includes(':') ? 'ipv6' : 'ipv4';
      return canonicalAddress(new SocketAddress({ address: written, family }).address) === written;
    }),
    { numRuns: 2000 },
  );
});

t.test('parseAddress() is the inverse of formatAddress()', async () => {
  fc.assert(
    fc.property(fc.oneof(ipv4Bytes, ipv6Bytes), (bytes) => {
      const parsed = parseAddress(formatAddress(bytes));
      return parsed !== undefined && Buffer.from(bytes.subarray(-parsed.length)).equals(parsed);
    }),
    { numRuns: 2000 },
  );
});

t.test('addressKey() is a number of its own for each canonical IPv4 address', async () => {
  fc.assert(
    fc.property(ipv4Bytes, (bytes) => {
      const key = addressKey(formatAddress(bytes));
      return key === Buffer.from(bytes).readInt32BE();
    }),
    { numRuns: 2000 },
  );
});

t.test('addressKey() leaves every other text as it is', async (t) => {
  const others = ['', '.', '10', '10.1.0', '10.1.0.', '10..0.1', '.1.0.1', '1.2.3.4.5', '1.2.3.4.'];
  others.push('10.1.0.256', '010.1.0.1', '10.1.0.01', '10.1.0.1 ', '10.1.0.-1', '10.1.0.1e1');
  others.push('fd00::11', '::ffff:10.1.0.1', 'web', '__proto__', '1.2.3.4.5.6.7.8');
  for (const text of others) t.equal(addressKey(text), text);
});

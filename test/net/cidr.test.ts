import { BlockList } from 'node:net';
import * as fc from 'fast-check';
import t from 'tap';
import { formatAddress } from '../../src/net/address.ts';
import { CidrTable, parseCidr, type Cidr } from '../../src/net/cidr.ts';

/** Few distinct bytes, so that addresses and ranges often meet. */
const bytes = fc
  .constantFrom(4, 16)
  .chain((length) =>
    fc.array(fc.constantFrom(0, 1, 10, 127, 128, 255), { minLength: length, maxLength: length }),
  );
const address = bytes.map((all) => formatAddress(Uint8Array.from(all)));

/** The first addresses of ranges are masked as one number, unlike in the code under test. */
const cidr = fc
  .tuple(bytes, fc.nat(128))
  .map(([all, length]) => {
    const width = all.length * 8;
    const shift = BigInt(Math.max(0, width - length));
    const value = (BigInt(`0x${Buffer.from(all).toString('hex')}`) >> shift) << shift;
    const first = formatAddress(Buffer.from(value.toString(16).padStart(width / 4, '0'), 'hex'));
    // An IPv4-mapped range is written as IPv4, and one around it not at all.
    const prefixLength = width - Number(shift) - (first.includes(':') ? 0 : width - 32);
    return { first, prefixLength, text: `${first}/${prefixLength}` };
  })
  .filter(({ prefixLength }) => prefixLength >= 0);

t.test('CidrTable.find() agrees with BlockList of node:net', async () => {
  fc.assert(
    fc.property(cidr, address, ({ first, prefixLength, text }, candidate) => {
      const list = new BlockList();
      list.addSubnet(first, prefixLength, familyOf(first));
      const oracle =
        familyOf(candidate) === familyOf(first) && list.check(candidate, familyOf(candidate));
      return contains(parseCidr(text), candidate) === oracle;
    }),
    { numRuns: 2000 },
  );
});

t.test('CidrTable.find() gives the value of the longest range that holds the address', async () => {
  fc.assert(
    fc.property(fc.array(cidr, { maxLength: 12 }), address, (ranges, candidate) => {
      const cidrs = ranges.map(({ text }) => parseCidr(text));
      const holding = cidrs.filter((range) => contains(range, candidate));
      const longest = holding.toSorted((a, b) => b.prefix.length - a.prefix.length)[0];
      const table = new CidrTable(cidrs.map((range) => [range, range.text] as const));
      return table.find(candidate) === longest?.text;
    }),
    { numRuns: 2000 },
  );
});

t.test('parseCidr() writes the range canonically', async (t) => {
  t.equal(parseCidr('FD00:0:0::/8').text, 'fd00::/8');
  t.equal(parseCidr('0.0.0.0/0').text, '0.0.0.0/0');
  t.equal(parseCidr('::/0').text, '::/0');
  t.equal(parseCidr('::ffff:10.0.0.0/104').text, '10.0.0.0/8');
});

t.test('a range of one family holds no address of the other', async (t) => {
  t.notOk(contains(parseCidr('::/0'), '10.0.0.1'));
  t.notOk(contains(parseCidr('0.0.0.0/0'), 'fd00::1'));
});

t.test('what is no address is in no range', async (t) => {
  t.notOk(contains(parseCidr('0.0.0.0/0'), 'web'));
  t.equal(new CidrTable([[parseCidr('0.0.0.0/0'), 'all']]).find('web'), undefined);
});

t.test('parseCidr() says what is wrong', async (t) => {
  for (const [text, reason] of [
    ['', 'not an address and a prefix length, as in 10.0.0.0/8'],
    ['office', 'not an address and a prefix length, as in 10.0.0.0/8'],
    ['10.0.0/8', 'not an address and a prefix length, as in 10.0.0.0/8'],
    ['fe80::1%eth0/64', 'not an address and a prefix length, as in 10.0.0.0/8'],
    ['10.0.0.0/', 'not an address and a prefix length, as in 10.0.0.0/8'],
    ['10.0.0.0/-1', 'not an address and a prefix length, as in 10.0.0.0/8'],
    ['10.0.0.1', 'no prefix length; 10.0.0.1/32 is one address'],
    ['fd00::1', 'no prefix length; fd00::1/128 is one address'],
    ['10.0.0.0/33', 'the prefix is longer than 32 bits'],
    ['fd00::/129', 'the prefix is longer than 128 bits'],
    ['::ffff:10.0.0.0/8', 'the prefix of an IPv4-mapped range has 96 bits or more'],
    ['10.1.2.3/8', 'bits are set beyond the prefix; did you mean 10.0.0.0/8?'],
    ['fd00::1/64', 'bits are set beyond the prefix; did you mean fd00::/64?'],
  ] as const) {
    t.throws(() => parseCidr(text), { message: `Cannot read CIDR "${text}": ${reason}` });
  }
});

function contains(range: Cidr, candidate: string): boolean {
  return new CidrTable([[range, true]]).find(candidate) === true;
}

function familyOf(text: string): 'ipv4' | 'ipv6' {
  return text.includes(':') ? 'ipv6' : 'ipv4';
}

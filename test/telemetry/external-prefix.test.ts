import t from 'tap';
import type { Identity } from '../../src/inventory/identity.ts';
import {
  addressText,
  parseExternalPrefix,
  WHOLE_ADDRESS,
} from '../../src/telemetry/external-prefix.ts';

const prefix = { ipv4: 24, ipv6: 64 };

function textOf(address: string, type?: Identity['type'], of = prefix): string | undefined {
  const identity = type && { type, name: 'some' };
  return addressText({ address, identity, node: undefined, hasEnded: false }, of);
}

t.test('an address that nobody owns is shortened to its network', async (t) => {
  t.equal(textOf('198.51.100.7'), '198.51.100.0/24');
  t.equal(textOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  t.equal(textOf('198.51.100.200', undefined, { ipv4: 25, ipv6: 64 }), '198.51.100.128/25');
});

t.test('so is one of a named network, however many there are in it', async (t) => {
  t.equal(textOf('10.20.3.4', 'network'), '10.20.3.0/24');
});

for (const type of ['pod', 'service', 'node', 'gateway'] as const) {
  t.test(`the address of a ${type} stays whole`, async (t) => {
    t.equal(textOf('10.1.0.11', type), '10.1.0.11');
    t.equal(textOf('fd00::11', type, { ipv4: 0, ipv6: 0 }), 'fd00::11');
  });
}

t.test('with no bits nothing is told, with all of them all', async (t) => {
  t.equal(textOf('198.51.100.7', undefined, { ipv4: 0, ipv6: 64 }), undefined);
  t.equal(textOf('2001:db8::1', undefined, { ipv4: 24, ipv6: 0 }), undefined);
  t.equal(textOf('198.51.100.7', undefined, WHOLE_ADDRESS), '198.51.100.7');
  t.equal(textOf('2001:db8::1', undefined, WHOLE_ADDRESS), '2001:db8::1');
});

t.test('parseExternalPrefix() reads two lengths, and says what is wrong', async (t) => {
  t.strictSame(parseExternalPrefix('24/64'), prefix);
  t.strictSame(parseExternalPrefix('0/0'), { ipv4: 0, ipv6: 0 });
  t.strictSame(parseExternalPrefix('32/128'), WHOLE_ADDRESS);
  for (const text of ['', '24', '24/', '33/64', '24/129', '-1/64', '24/64/8', 'a/b', '24.5/64']) {
    t.throws(() => parseExternalPrefix(text), { message: /^not two prefix lengths/ }, text);
  }
});

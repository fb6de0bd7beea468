import t from 'tap';
import { DEFAULT_EXCLUDE, Exclusion, parseExclude } from '../../src/connections/exclude.ts';

function excluding(...items: string[]): Exclusion {
  return new Exclusion(items.map(parseExclude));
}

t.test('a CIDR leaves out the addresses of its range', async (t) => {
  const exclusion = excluding('10.0.0.0/8', 'fd00::/8');
  t.ok(exclusion.hasAddress('10.255.0.1'));
  t.ok(exclusion.hasAddress('fd12::1'));
  t.notOk(exclusion.hasAddress('11.0.0.1'));
  t.notOk(exclusion.hasAddress('fe80::1'));
  t.notOk(exclusion.hasDestination(6, 80));
});

t.test('an address alone leaves out itself and no other', async (t) => {
  const exclusion = excluding('::1', '192.0.2.7');
  t.ok(exclusion.hasAddress('::1'));
  t.ok(exclusion.hasAddress('192.0.2.7'));
  t.notOk(exclusion.hasAddress('::2'));
  t.notOk(exclusion.hasAddress('192.0.2.8'));
});

t.test('transport/port leaves out this port on this transport', async (t) => {
  const exclusion = excluding('udp/4789');
  t.ok(exclusion.hasDestination(17, 4789));
  t.notOk(exclusion.hasDestination(6, 4789));
  t.notOk(exclusion.hasDestination(17, 53));
  t.notOk(exclusion.hasAddress('10.0.0.1'));
});

t.test('a port alone leaves out this port on every transport', async (t) => {
  const exclusion = excluding('10250');
  t.ok(exclusion.hasDestination(6, 10250));
  t.ok(exclusion.hasDestination(17, 10250));
  t.notOk(exclusion.hasDestination(6, 443));
  t.notOk(exclusion.hasDestination(1, undefined));
});

t.test('a transport alone leaves out all of it, with ports or without', async (t) => {
  const exclusion = excluding('icmp', 'sctp');
  t.ok(exclusion.hasDestination(1, undefined));
  t.ok(exclusion.hasDestination(132, 3868));
  t.notOk(exclusion.hasDestination(58, undefined));
});

t.test('no items leave out nothing', async (t) => {
  const exclusion = excluding();
  t.notOk(exclusion.hasAddress('127.0.0.1'));
  t.notOk(exclusion.hasDestination(17, 4789));
});

t.test('the default leaves out loopback and the outer flows of tunnels', async (t) => {
  const exclusion = excluding(...DEFAULT_EXCLUDE);
  t.ok(exclusion.hasAddress('127.0.0.53'));
  t.ok(exclusion.hasAddress('::1'));
  for (const port of [4789, 8472, 6081, 51820]) t.ok(exclusion.hasDestination(17, port));
  t.notOk(exclusion.hasAddress('10.0.0.1'));
  t.notOk(exclusion.hasDestination(17, 53));
});

for (const item of [
  '',
  'tpc/80',
  '/80',
  'tcp/',
  'tcp/x',
  'tcp/80/1',
  'tcp80/',
  'UDP/53',
  '-1',
  '80/tcp',
]) {
  t.test(`parseExclude() refuses "${item}" and shows what it takes`, async (t) => {
    t.throws(() => parseExclude(item), {
      message: /^Cannot read exclude ".*": not a CIDR, .*udp\/4789/,
    });
  });
}

for (const item of ['0', 'tcp/0', '65536', 'udp/70000']) {
  t.test(`parseExclude() refuses the port of "${item}"`, async (t) => {
    t.throws(() => parseExclude(item), {
      message: `Cannot read exclude "${item}": a port is 1 to 65535`,
    });
  });
}

for (const item of ['10.0.0.0/33', '10.0.0.1/8', '1.2.3', 'fe80::1%eth0', '10.0.0.0/8:9100']) {
  t.test(`parseExclude() refuses the range "${item}"`, async (t) => {
    t.throws(() => parseExclude(item), { message: /^Cannot read CIDR/ });
  });
}

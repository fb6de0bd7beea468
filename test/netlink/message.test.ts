import t from 'tap';
import { nfnetlinkRequest } from '../../src/netlink/message.ts';

t.test('a request is struct nlmsghdr and struct nfgenmsg, 20 bytes', async (t) => {
  const request = nfnetlinkRequest({
    type: 0x101,
    flags: 0x301,
    sequence: 0x8000_0001,
    family: 10,
  });
  const fields = ['14000000', '0101', '0103', '01000080', '00000000', '0a', '00', '0000'];
  t.equal(Buffer.from(request).toString('hex'), fields.join(''));
});

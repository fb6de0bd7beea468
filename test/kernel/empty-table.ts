/** Empties the connection tracking table of this program's network namespace, which a test made for itself. */
import {
  AF_UNSPEC,
  NETLINK_NETFILTER,
  NLM_F_ACK,
  NLM_F_REQUEST,
} from '../../src/netlink/constants.ts';
import { exchange } from '../../src/netlink/exchange.ts';
import { nfnetlinkRequest } from '../../src/netlink/message.ts';
import { NetlinkSocket } from '../../src/netlink/socket.ts';
import { CT_DELETE } from '../builders/ctnetlink.ts';

using transport = new NetlinkSocket(NETLINK_NETFILTER);
// Without a tuple it is all of them: ctnetlink_del_conntrack(), net/netfilter/nf_conntrack_netlink.c.
const request = nfnetlinkRequest({
  type: CT_DELETE,
  flags: NLM_F_REQUEST | NLM_F_ACK,
  sequence: 1,
  family: AF_UNSPEC,
});
exchange({
  operation: 'empty the connection tracking table',
  transport,
  request,
  sequence: 1,
  answerType: CT_DELETE,
  visit: () => true,
  timeoutMs: 5000,
});

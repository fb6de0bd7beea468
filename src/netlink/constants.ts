/** include/uapi/linux/netlink.h and include/uapi/linux/netfilter/nfnetlink.h; the kernel's names. */

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_NETLINK = 16;
export const AF_INET6 = 10;

export const NETLINK_NETFILTER = 12;

export const NLM_F_REQUEST = 0x01;
export const NLM_F_ACK = 0x04;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;

/** struct nlmsghdr, 4 words: length, type | flags << 16, sequence number, port id. */
export const NLMSG_HDR_BYTES = 16;
export const NLMSG_HDR_WORDS = 4;
/** struct nfgenmsg, 1 word: family, version, resource id. */
export const NFGENMSG_BYTES = 4;

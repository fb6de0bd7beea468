import { NFGENMSG_BYTES, NLMSG_HDR_BYTES } from './constants.ts';

/** A netfilter request without attributes: struct nlmsghdr and struct nfgenmsg, 20 bytes. */
export function nfnetlinkRequest(options: {
  /** NFNL_SUBSYS_* << 8 | message */
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly family: number;
}): Uint8Array {
  const bytes = new Uint8Array(NLMSG_HDR_BYTES + NFGENMSG_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, options.type, true);
  view.setUint16(6, options.flags, true);
  view.setUint32(8, options.sequence, true);
  view.setUint8(16, options.family);
  return bytes;
}

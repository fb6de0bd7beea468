/** include/uapi/linux/netfilter/nfnetlink.h and nfnetlink_conntrack.h; the kernel's names. */

const NFNL_SUBSYS_CTNETLINK = 1;
/** enum cntl_msg_types, as the netlink message types they make */
export const IPCTNL_MSG_CT_NEW = (NFNL_SUBSYS_CTNETLINK << 8) | 0;
export const IPCTNL_MSG_CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1;
export const IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2;
export const IPCTNL_MSG_CT_GET_STATS_CPU = (NFNL_SUBSYS_CTNETLINK << 8) | 4;
export const IPCTNL_MSG_CT_GET_STATS = (NFNL_SUBSYS_CTNETLINK << 8) | 5;

/** enum nfnetlink_groups */
export const NFNLGRP_CONNTRACK_DESTROY = 3;

/** enum ctattr_stats_global */
export const CTA_STATS_GLOBAL_ENTRIES = 1;
export const CTA_STATS_GLOBAL_MAX_ENTRIES = 2;

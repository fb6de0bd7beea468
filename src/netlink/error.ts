import { constants } from 'node:os';

/** Of the two names that some have, the first one: EAGAIN rather than EWOULDBLOCK. */
const NAMES = new Map<number, string>(
  Object.entries(constants.errno)
    .toReversed()
    .map(([name, number]) => [number, name]),
);

/** A netlink operation that failed, with the kernel's reason. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  readonly operation: string;
  /** Name of the errno, such as `EPERM`; `E<number>` for one that Node has no name for. */
  readonly code: string;

  constructor(operation: string, errno: number) {
    const code = NAMES.get(errno) ?? `E${errno}`;
    super(`Cannot ${operation}: ${code}`);
    this.operation = operation;
    this.code = code;
  }
}

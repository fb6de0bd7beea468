/** A reason to end the program that its user can act on: the message is all that is printed. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly exitCode: number;

  constructor(message: string, options: { readonly exitCode: number; readonly cause?: unknown }) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode;
  }
}

export const EXIT_FAILURE = 1;
/** A wrong setting. */
export const EXIT_USAGE = 2;
/** No permission to read the table (EX_NOPERM of sysexits.h). */
export const EXIT_PERMISSION = 77;

/**
 * Loaded before a program that the demo starts: when the demo ends, however it ends, the kernel
 * closes the IPC channel between the two, and the program ends as well.
 */
process.once('disconnect', () => process.exit());
// The channel alone must not keep a program running that is done.
process.channel?.unref();

/** Has room for 1,000 entries in a FILE's limit, says so, and ends as it is told on stdin: in order, or not. */
import { text } from 'node:stream/consumers';
import { roomFor } from './table-room.ts';

await using _ = await roomFor(1000, { file: process.argv[2]! });
process.stdout.write('held\n');
if ((await text(process.stdin)) === 'throw') throw new Error('This run has failed');

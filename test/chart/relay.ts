/**
 * From loopback of one network namespace to that of another: a pathname socket is the same in both.
 * `relay.ts PORT PATH` listens on the port and hands on to the path.
 */
import { connect, createServer, type Socket } from 'node:net';

const [port = '', path = ''] = process.argv.slice(2);

createServer((client) => join(client, connect(path))).listen(Number(port), '127.0.0.1', () => {
  process.stdout.write('listening\n');
});

function join(one: Socket, other: Socket): void {
  one.pipe(other).pipe(one);
  for (const socket of [one, other]) {
    socket.on('error', () => {
      one.destroy();
      other.destroy();
    });
  }
}

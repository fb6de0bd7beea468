/** khan top as a person uses it, in a real terminal. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { until } from '../demo/until.ts';
import { listenOnLoopback } from '../fakes/loopback.ts';
import { Terminal } from '../fakes/terminal.ts';

t.setTimeout(180_000);

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const HAS_TMUX = spawnSync('tmux', ['-V']).error === undefined;
const NO_TMUX = 'TMUX IS NOT INSTALLED: nobody has looked at khan top in a terminal';
const skip = !HAS_TMUX && process.env['CI'] !== 'true' && NO_TMUX;
if (skip !== false) process.stderr.write(`SKIPPED: ${skip}\n`);

const EVIL = String.raw`\u001b[2J`;
const PAGE = `khan_agent_cycles_total{result="success"} 3
khan_agent_snapshot_time_seconds 1.7e9
khan_conntrack_entries{node="node-a"} 14
khan_connection_active{src_ns="shop",src_name="web-0",dst_ip="10.1.0.12",state="ESTABLISHED"} 9
khan_connection_total{src_ns="shop",src_name="web-0",dst_ip="10.1.0.12"} 10
khan_connection_active{src_ns="shop",src_name="cart-0",dst_ip="10.1.0.12",state="ESTABLISHED"} 5
khan_connection_total{src_ns="shop",src_name="cart-0",dst_ip="10.1.0.12"} 90
khan_connection_active{src_name="${JSON.parse(`"${EVIL}"`)}",dst_ip="10.1.0.12",state="CLOSE"} 1
`;

/** The URL of somebody who serves that page. */
async function served(t: Test, page = { text: PAGE }): Promise<string> {
  const server = createServer((_request, response) => response.end(page.text));
  t.teardown(() => server.closeAllConnections());
  return `http://127.0.0.1:${await listenOnLoopback(t, server)}`;
}

/** A terminal in which khan top has been typed. */
async function opened(t: Test, { url, env = {} }: { url: string; env?: Record<string, string> }) {
  const terminal = await Terminal.open(t, { columns: 100, rows: 12, env });
  const before = await terminal.modes();
  const pidFile = join(t.testdirName, 'pid');
  const khan = `exec ${process.execPath} ${CLI} top --interval 500ms --agent ${url}`;
  terminal.run(`sh -c 'echo $$ > ${pidFile}; ${khan}'`);
  const pid = async () => {
    await until(() => existsSync(pidFile));
    return Number(readFileSync(pidFile, 'utf8'));
  };
  return { terminal, before, pid };
}

t.test('a person sorts, filters, groups, pauses and quits', { skip }, async (t) => {
  const page = { text: PAGE };
  const { terminal, before } = await opened(t, { url: await served(t, page) });
  t.ok(await terminal.shows(/^khan top · node-a · table 14 /m), 'how the agent does');
  t.ok(await terminal.shows(/▼ACTIVE[^]*shop\/web-0 [^]*shop\/cart-0 /), 'the largest first');
  t.match(terminal.screen(), '\u{fffd}[2J', 'what a terminal would obey is only shown');

  for (let right = 0; right < 3; right++) terminal.press('Right');
  t.ok(await terminal.shows(/▼OPENED[^]*shop\/cart-0 [^]*shop\/web-0 /), 'by another column');
  terminal.type('r');
  t.ok(await terminal.shows(/▲OPENED[^]*shop\/web-0 [^]*shop\/cart-0 /), 'the other way around');

  terminal.type('/');
  terminal.type('WEB');
  t.ok(await terminal.shows(/^1 row [^]*shop\/web-0 [^]*^\/WEB/m), 'filtered while it is typed');
  t.notMatch(terminal.screen(), 'shop/cart-0');
  terminal.press('Enter');
  t.ok(await terminal.shows(/filter WEB$/m), 'kept');
  terminal.press('Escape');
  t.ok(await terminal.shows(/^3 rows/m), 'cleared');

  terminal.type('b');
  t.ok(await terminal.shows(/^WORKLOAD /m), 'another kind of row');
  terminal.type(' ');
  t.ok(await terminal.shows(/ · paused$/m));
  page.text = PAGE.replaceAll('} 14', '} 15');
  terminal.type('h');
  t.ok(await terminal.shows(/^q, Ctrl-C +quit$/m), 'help');
  t.match(terminal.screen(), 'table 14 ', 'nothing is read while it is paused');
  terminal.type(' ');
  terminal.type(' ');
  t.ok(await terminal.shows(/table 15 /), 'and it goes on');

  terminal.type('q');
  t.equal(await terminal.modes(), before, 'the terminal is as it was');
  t.notMatch(terminal.screen(), 'table 15', 'and so is what was on it');
});

t.test('the table follows the size of the window', { skip }, async (t) => {
  const { terminal } = await opened(t, { url: await served(t) });
  t.ok(await terminal.shows(/▼ACTIVE +ESTAB +OPEN\/s +OPENED$/m));
  terminal.type(' ');
  t.ok(await terminal.shows(/ · paused$/m), 'from now on nothing but the window changes');
  terminal.resize(46, 6);
  t.ok(await terminal.shows(/▼ACTIVE$/m), 'fewer columns');
  t.ok(await terminal.shows(/^q quit .*…$/m));
  const lines = terminal.screen().trimEnd().split('\n');
  t.equal(lines.length, 6, 'and rows');
  t.match(lines.at(-1), /^q quit/);
  terminal.resize(100, 12);
  t.ok(await terminal.shows(/OPENED$/m));
});

t.test('the terminal is as it was, whatever ends the program', { skip }, async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    await t.test(signal, async (t) => {
      const { terminal, before, pid } = await opened(t, { url: await served(t) });
      t.ok(await terminal.shows(/▼ACTIVE/));
      process.kill(await pid(), signal);
      t.equal(await terminal.modes(), before);
    });
  }
  await t.test('Ctrl-C', async (t) => {
    const { terminal, before } = await opened(t, { url: await served(t) });
    t.ok(await terminal.shows(/▼ACTIVE/));
    terminal.press('C-c');
    t.equal(await terminal.modes(), before);
  });
  await t.test('no agent', async (t) => {
    const { terminal, before } = await opened(t, { url: 'http://127.0.0.1:1/' });
    t.ok(await terminal.shows(/^Cannot read http:\/\/127\.0\.0\.1:1\/metrics: /m));
    t.equal(await terminal.modes(), before);
  });
});

t.test('an agent that goes away is said, and its last table stays', { skip }, async (t) => {
  const page = { text: PAGE };
  const { terminal } = await opened(t, { url: await served(t, page) });
  t.ok(await terminal.shows(/shop\/web-0 /));
  page.text = 'up 1\n';
  t.ok(await terminal.shows(/^Cannot read http:[^]*shop\/web-0 /m));
  page.text = PAGE;
  t.ok(await terminal.shows(/^3 rows/m));
});

t.test('there are colours unless NO_COLOR is set', { skip }, async (t) => {
  const url = await served(t);
  for (const [env, hasColours] of [
    [{}, true],
    [{ NO_COLOR: '1' }, false],
  ] as const) {
    const { terminal } = await opened(t, { url, env });
    t.ok(await terminal.shows(/▼ACTIVE/));
    t.equal(terminal.screen({ styled: true }).includes('\x1b['), hasColours, JSON.stringify(env));
    terminal.type('q');
  }
});

t.test('a terminal that knows no control sequences gets none', { skip }, async (t) => {
  const { terminal } = await opened(t, { url: await served(t), env: { TERM: 'dumb' } });
  t.ok(await terminal.shows(/^Cannot draw a live table: /m));
});

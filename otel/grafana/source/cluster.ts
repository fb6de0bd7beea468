import { CLIENT_COLUMNS, NODE_URL, SERVER_COLUMNS, openNow, openedAndOpen } from './columns.ts';
import { dashboard } from './dashboard.ts';
import { graph, heat, stat } from './over-time.ts';
import {
  CLIENT,
  NAMED,
  OPEN,
  SERVER,
  UNANSWERED,
  growth,
  ofTop,
  sumBy,
  workloads,
} from './promql.ts';
import { table } from './table.ts';

/** Counted once, whatever number of tables a connection stands in. */
const ONCE = 'primary="true"';

const active = (...matchers: string[]) =>
  `khan_connection_active{${[ONCE, ...matchers].join(', ')}}`;
const opened = (...matchers: string[]) =>
  `rate(khan_connection_total{${[ONCE, ...matchers].join(', ')}}[$__rate_interval])`;

const EDGE = [...CLIENT, ...SERVER];
/** Without the types of both ends, where room is short. */
const UNTYPED = [...CLIENT.slice(1), ...SERVER.slice(1)];
const openByEdge = sumBy(EDGE, workloads(active(OPEN, NAMED), 'src', 'dst'));
const growing = `topk(10, ${growth(openByEdge)} > 0)`;
const servers = `topk(10, ${sumBy(SERVER, workloads(opened(NAMED), 'dst'))} > 0)`;
const clients = `topk(10, ${sumBy(CLIENT, workloads(opened(NAMED), 'src'))} > 0)`;
const strangers = `topk(10, ${sumBy(['src_ip'], opened(NAMED, 'src_type=""'))} > 0)`;
const silent = `topk(10, ${sumBy(UNTYPED, workloads(active(UNANSWERED, NAMED), 'src', 'dst'))} > 0)`;
const ofEdges = (metric: string) => workloads(`${metric}{${ONCE}, ${NAMED}}`, 'src', 'dst');
const found = `topk(10, max by (${UNTYPED.join(', ')}) (${ofEdges('khan_connection_leak_score')}) >= 0.3)`;
const orphans = `topk(10, ${sumBy(UNTYPED, ofEdges('khan_connection_orphaned'))} > 0)`;
const usage = 'max by (node) (khan_conntrack_entries / khan_conntrack_limit)';

export const cluster = dashboard({
  uid: 'khan-cluster',
  title: 'khan / Cluster',
  description: 'Who leaks connections, and who overloads whom? Every connection is counted once.',
  sections: [
    {
      title: 'Now',
      panels: [
        stat({
          title: 'Open connections',
          description: 'In the tables now, without those that are closed (TIME_WAIT, CLOSE).',
          width: 4,
          expr: `sum(${active(OPEN)})`,
        }),
        stat({
          title: 'Growth in 1 h',
          description: 'Of open connections, if it goes on as in the last 30 minutes.',
          width: 4,
          expr: growth(`sum(${active(OPEN)})`),
        }),
        stat({
          title: 'Opened',
          description: 'Connections that begin, a second.',
          width: 4,
          unit: 'cps',
          expr: `sum(${opened()})`,
        }),
        stat({
          title: 'Opened by unknown clients',
          description: 'Of those that begin, the share from addresses that nobody owns.',
          width: 4,
          unit: 'percentunit',
          decimals: 1,
          expr: `(sum(${opened(NAMED, 'src_type=""')}) or vector(0)) / sum(${opened()})`,
        }),
        stat({
          title: 'Unanswered',
          description:
            'Connections whose other side has never answered: dead, or dropped by a policy.',
          width: 4,
          thresholds: { warning: 10, critical: 100 },
          expr: `sum(${active(UNANSWERED)}) or vector(0)`,
        }),
        stat({
          title: 'Fullest table',
          description: 'Of all nodes. A full table drops new connections.',
          width: 4,
          unit: 'percentunit',
          decimals: 1,
          thresholds: { warning: 0.75, critical: 0.9 },
          expr: `max(${usage})`,
        }),
      ],
    },
    {
      title: 'Who leaks?',
      panels: [
        table({
          title: 'Fastest growing, by client and server',
          description:
            'Open connections that become more, in an hour, as in the last 30 minutes. A leak grows without an end; a pool that fills stops. Click an app to see which of its pods.',
          width: 24,
          columns: [...CLIENT_COLUMNS, ...SERVER_COLUMNS],
          measures: [
            { title: 'Growth in 1 h', expr: growing, decimals: 0 },
            openNow(openByEdge, growing),
          ],
        }),
        table({
          title: 'Leaks by score, by client and server',
          description:
            'What the agents say: from 0.7 on they call it a leak, and the log event tells why. Of several pods the worst.',
          width: 12,
          columns: [...CLIENT_COLUMNS.slice(1), ...SERVER_COLUMNS.slice(1)],
          measures: [
            {
              title: 'Score',
              expr: found,
              decimals: 2,
              thresholds: { warning: 0.5, critical: 0.7 },
            },
          ],
        }),
        table({
          title: 'Left behind by pods that are gone',
          description:
            'Entries whose pod was deleted or has ended. They go when their timeout is over, which for idle ones takes days.',
          width: 12,
          columns: [...CLIENT_COLUMNS.slice(1), ...SERVER_COLUMNS.slice(1)],
          measures: [{ title: 'Connections', expr: orphans, decimals: 0 }],
        }),
        graph({
          title: 'Most open, by client and server',
          description: 'A staircase that never goes down is a leak.',
          width: 12,
          queries: [
            {
              expr: `topk(10, ${openByEdge})`,
              legend: '{{src_app}}{{client}} → {{dst_app}}{{server}}:{{dst_port}}',
            },
          ],
        }),
        heat({
          title: 'States',
          description:
            'Connections by state, the hotter the more. CLOSE_WAIT: a client that does not close. SYN_SENT: a server that does not answer. TIME_WAIT: opened and closed without need.',
          width: 12,
          expr: `sum by (state) (${active()}) > 0`,
          legend: '{{state}}',
        }),
      ],
    },
    {
      title: 'Who overloads whom?',
      panels: [
        table({
          title: 'Servers that are opened to most',
          description: 'Connections opened to them, a second. Click an app to see by whom.',
          width: 12,
          columns: SERVER_COLUMNS,
          measures: openedAndOpen(servers, sumBy(SERVER, workloads(active(OPEN, NAMED), 'dst'))),
        }),
        table({
          title: 'Clients that open most',
          description: 'Connections they open, a second, whoever to. Click an app to see to whom.',
          width: 12,
          columns: CLIENT_COLUMNS,
          measures: openedAndOpen(clients, sumBy(CLIENT, workloads(active(OPEN, NAMED), 'src'))),
        }),
        table({
          title: 'Unknown clients, by address',
          height: 6,
          description: 'Addresses that no pod, service, node or named network owns.',
          width: 8,
          columns: [{ label: 'src_ip', title: 'Address' }],
          measures: openedAndOpen(strangers, sumBy(['src_ip'], active(OPEN, NAMED, 'src_type=""'))),
        }),
        table({
          title: 'Servers that do not answer',
          height: 6,
          description:
            'TCP in SYN_SENT, or UDP without a reply: a dead host, a policy, a firewall.',
          width: 16,
          columns: [...CLIENT_COLUMNS.slice(1), ...SERVER_COLUMNS.slice(1)],
          measures: [{ title: 'Unanswered', expr: silent, decimals: 0 }],
        }),
      ],
    },
    {
      title: 'Where does it press?',
      panels: [
        graph({
          title: 'Fullest tables',
          description: 'Use of the connection tracking table by node.',
          width: 12,
          unit: 'percentunit',
          thresholds: { warning: 0.75, critical: 0.9 },
          queries: [{ expr: `topk(10, ${usage})`, legend: '{{node}}' }],
        }),
        table({
          title: 'Nodes',
          description: 'Click a node to see who fills its table.',
          width: 12,
          columns: [{ label: 'node', title: 'Node', url: NODE_URL }],
          measures: [
            {
              title: 'Full',
              expr: `topk(10, ${usage})`,
              unit: 'percentunit',
              decimals: 2,
              thresholds: { warning: 0.75, critical: 0.9 },
            },
            {
              title: 'Entries',
              expr: ofTop('max by (node) (khan_conntrack_entries)', `topk(10, ${usage})`),
            },
          ],
        }),
      ],
    },
  ],
});

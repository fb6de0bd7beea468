import { CLIENT_COLUMNS, SERVER_COLUMNS, openNow, openedAndOpen } from './columns.ts';
import { dashboard } from './dashboard.ts';
import { graph, heat, stat } from './over-time.ts';
import { CLIENT, OPEN, SERVER, UNANSWERED, growth, sumBy, workloads } from './promql.ts';
import { table } from './table.ts';

const AS_CLIENT = 'primary="true", src_ns="$namespace", src_app="$app"';
const AS_SERVER = 'primary="true", dst_ns="$namespace", dst_app="$app"';

const active = (...matchers: string[]) => `khan_connection_active{${matchers.join(', ')}}`;
const idle = (side: string) => `khan_connection_idle{${side}}`;
const halfClosed = (...matchers: string[]) => `khan_connection_half_closed{${matchers.join(', ')}}`;
const oldest = `topk(10, max by (dst_name, dst_port) (khan_connection_oldest_seconds{${AS_CLIENT}}))`;
const score = `topk(10, max by (src_name) (khan_connection_leak_score{${AS_CLIENT}}))`;
const lasted = (quantile: number) =>
  `histogram_quantile(${quantile}, sum by (le) (rate(khan_connection_duration_seconds_bucket{${AS_CLIENT}}[$__rate_interval])))`;
const opened = (side: string) => `rate(khan_connection_total{${side}}[$__rate_interval])`;
const closed = (side: string) => `rate(khan_connection_closed_total{${side}}[$__rate_interval])`;

const talkers = `topk(10, ${sumBy([...CLIENT, 'dst_port'], workloads(opened(AS_SERVER), 'src'))} > 0)`;
const talkedTo = `topk(10, ${sumBy(SERVER, workloads(opened(AS_CLIENT), 'dst'))} > 0)`;
const openOfPods = sumBy(['src_name'], active(AS_CLIENT, OPEN));
const leaking = `topk(10, ${growth(openOfPods)} > 0)`;
const silent = `topk(10, ${sumBy(SERVER, workloads(active(AS_CLIENT, UNANSWERED), 'dst'))} > 0)`;
const [, , , , PORT] = SERVER_COLUMNS;

/** What has been a client or a server lately: a database is never a client. */
const eitherSide = (label: string, matchers: (end: string) => string) =>
  ['src', 'dst']
    .map((end) => {
      const vector = `khan_connection_active{${matchers(end)}}`;
      return `label_replace(${vector}, "${label}", "$1", "${end}_${label}", "(.+)")`;
    })
    .join(' or ');

export const workload = dashboard({
  uid: 'khan-workload',
  title: 'khan / Workload',
  description: 'Who talks to a workload, whom does it talk to, and which of its pods leak?',
  variables: [
    {
      name: 'namespace',
      label: 'Namespace',
      query: `query_result(count by (ns) (${eitherSide('ns', (end) => `${end}_ns!=""`)}))`,
      regex: '/ns="([^"]+)"/',
    },
    {
      name: 'app',
      label: 'App',
      query: `query_result(count by (app) (${eitherSide('app', (end) => `${end}_ns="$namespace", ${end}_app!=""`)}))`,
      regex: '/app="([^"]+)"/',
    },
  ],
  sections: [
    {
      title: '$namespace / $app now',
      panels: [
        stat({
          title: 'Open, as client',
          description: 'Connections that it holds to others.',
          width: 4,
          expr: `sum(${active(AS_CLIENT, OPEN)}) or vector(0)`,
        }),
        stat({
          title: 'Growth in 1 h, as client',
          description: 'Of what it holds, if it goes on as in the last 30 minutes.',
          width: 4,
          expr: `${growth(`sum(${active(AS_CLIENT, OPEN)})`)} or vector(0)`,
        }),
        stat({
          title: 'Opened, as client',
          description: 'Connections that it opens, a second.',
          width: 4,
          unit: 'cps',
          expr: `sum(${opened(AS_CLIENT)}) or vector(0)`,
        }),
        stat({
          title: 'Unanswered, as client',
          description: 'Connections whose server has never answered.',
          width: 4,
          thresholds: { warning: 3, critical: 30 },
          expr: `sum(${active(AS_CLIENT, UNANSWERED)}) or vector(0)`,
        }),
        stat({
          title: 'Open, as server',
          description: 'Connections that others hold to its pods, or to its service.',
          width: 4,
          expr: `sum(${active(AS_SERVER, OPEN)}) or vector(0)`,
        }),
        stat({
          title: 'Opened, as server',
          description: 'Connections that others open to it, a second.',
          width: 4,
          unit: 'cps',
          expr: `sum(${opened(AS_SERVER)}) or vector(0)`,
        }),
      ],
    },
    {
      title: 'Who talks to it?',
      panels: [
        table({
          title: 'Its clients',
          description:
            'Those that open most to it first. An unknown one has an address that nobody owns.',
          width: 12,
          columns: [...CLIENT_COLUMNS, PORT],
          measures: openedAndOpen(
            talkers,
            sumBy([...CLIENT, 'dst_port'], workloads(active(AS_SERVER, OPEN), 'src')),
          ),
        }),
        graph({
          title: 'Opened by its clients',
          description: 'Who surges?',
          width: 12,
          unit: 'cps',
          stacked: true,
          queries: [{ expr: talkers, legend: '{{src_app}}{{client}} → :{{dst_port}}' }],
        }),
      ],
    },
    {
      title: 'Which of its pods leak?',
      panels: [
        table({
          title: 'Fastest growing pods',
          description: 'All of them alike: the code leaks. One of them: that pod does.',
          width: 6,
          columns: [{ label: 'src_name', title: 'Pod' }],
          measures: [
            { title: 'Growth in 1 h', expr: leaking, decimals: 0 },
            openNow(openOfPods, leaking),
          ],
        }),
        graph({
          title: 'Open, by pod',
          description: 'What each of its pods holds to others.',
          width: 6,
          queries: [{ expr: `topk(10, ${openOfPods})`, legend: '{{src_name}}' }],
        }),
        graph({
          title: 'Leak score, by pod',
          description:
            'The worst of what each of its pods holds. From 0.7 on the agent calls it a leak.',
          width: 6,
          thresholds: { warning: 0.5, critical: 0.7 },
          queries: [{ expr: score, legend: '{{src_name}}' }],
        }),
        graph({
          title: 'Opened and closed',
          description:
            'As a client. Closed is when a connection leaves the table, two minutes after its end. Where opened stays above closed, they pile up.',
          width: 6,
          unit: 'cps',
          queries: [
            { expr: `sum(${opened(AS_CLIENT)})`, legend: 'opened' },
            { expr: `sum(${closed(AS_CLIENT)})`, legend: 'closed' },
          ],
        }),
      ],
    },
    {
      title: 'What does it do with its connections?',
      panels: [
        graph({
          title: 'Idle, as client',
          description:
            'Open connections by the time since their last packet; keepalives are packets. Many that are idle for long: a pool that is too large, or a leak.',
          width: 6,
          stacked: true,
          queries: [{ expr: `sum by (idle) (${idle(AS_CLIENT)})`, legend: '{{idle}}' }],
        }),
        graph({
          title: 'Half-closed',
          description:
            'Connections that the other end has closed, and it has not: what it forgets to close.',
          width: 6,
          queries: [
            { expr: `sum(${halfClosed(AS_CLIENT, 'closed_by="server"')})`, legend: 'as client' },
            { expr: `sum(${halfClosed(AS_SERVER, 'closed_by="client"')})`, legend: 'as server' },
          ],
        }),
        graph({
          title: 'How long they lasted, as client',
          description:
            'Connections that have ended, from their first packet to their last. Only with --events destroy.',
          width: 6,
          unit: 's',
          queries: [
            { expr: lasted(0.5), legend: 'half of them up to' },
            { expr: lasted(0.99), legend: '99 of 100 up to' },
          ],
        }),
        table({
          title: 'Oldest connections, as client',
          description: 'Of the hundred that live longest on each node.',
          width: 6,
          columns: [{ label: 'dst_name', title: 'Server' }, PORT],
          measures: [{ title: 'Age', expr: oldest, unit: 's', decimals: 0 }],
        }),
      ],
    },
    {
      title: 'Whom does it talk to?',
      panels: [
        table({
          title: 'Its servers',
          description: 'Those that it opens most to first.',
          width: 12,
          columns: SERVER_COLUMNS,
          measures: openedAndOpen(
            talkedTo,
            sumBy(SERVER, workloads(active(AS_CLIENT, OPEN), 'dst')),
          ),
        }),
        table({
          title: 'Servers that do not answer it',
          description: 'A dead host, an old address, a NetworkPolicy or a firewall.',
          width: 12,
          columns: SERVER_COLUMNS,
          measures: [{ title: 'Unanswered', expr: silent, decimals: 0 }],
        }),
        heat({
          title: 'States, as client',
          description: 'SYN_SENT: no answer yet. ESTABLISHED: open.',
          width: 12,
          expr: `sum by (state) (${active(AS_CLIENT)}) > 0`,
          legend: '{{state}}',
        }),
        heat({
          title: 'States, as server',
          description: 'SYN_RECV: it does not keep up. ESTABLISHED: open.',
          width: 12,
          expr: `sum by (state) (${active(AS_SERVER)}) > 0`,
          legend: '{{state}}',
        }),
      ],
    },
  ],
});

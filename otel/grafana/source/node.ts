import { CLIENT_COLUMNS, SERVER_COLUMNS } from './columns.ts';
import { dashboard } from './dashboard.ts';
import { graph, heat, stat } from './over-time.ts';
import { CLIENT, NAMED, SERVER, growth, ofTop, sumBy, workloads } from './promql.ts';
import { table } from './table.ts';

const NODE = 'node="$node"';
const entries = `max(khan_conntrack_entries{${NODE}})`;
const limit = `max(khan_conntrack_limit{${NODE}})`;
const perSecond = (metric: string) => `rate(${metric}{${NODE}}[$__rate_interval])`;
const EDGE = [...CLIENT, ...SERVER];
/** All that stands in this table, whoever counts it for the cluster. */
const byEdge = sumBy(EDGE, workloads(`khan_connection_active{${NODE}, ${NAMED}}`, 'src', 'dst'));
const most = `topk(10, ${byEdge} > 0)`;
const pressure = `${growth(entries)} / 3600`;

export const node = dashboard({
  uid: 'khan-node',
  title: 'khan / Node',
  description: "How full is a node's connection tracking table, until when, and who fills it?",
  variables: [{ name: 'node', label: 'Node', query: 'label_values(khan_conntrack_entries, node)' }],
  sections: [
    {
      title: '$node now',
      panels: [
        stat({
          title: 'Full',
          description: 'A full table drops the packets of new connections, whosever they are.',
          width: 4,
          unit: 'percentunit',
          decimals: 2,
          thresholds: { warning: 0.75, critical: 0.9 },
          expr: `${entries} / ${limit}`,
        }),
        stat({
          title: 'Entries',
          description: 'Everything in the table, of all protocols and states.',
          width: 4,
          expr: entries,
        }),
        stat({
          title: 'Limit',
          description: 'net.netfilter.nf_conntrack_max',
          width: 4,
          expr: limit,
        }),
        stat({
          title: 'Time to full',
          description:
            'If it goes on as in the last 30 minutes. Nothing is shown where it does not grow.',
          width: 4,
          unit: 's',
          thresholds: { warning: 86_400, critical: 4 * 3600 },
          expr: `(${limit} - ${entries}) / (${pressure} > 0)`,
        }),
        stat({
          title: 'Lost',
          description: 'Packets dropped and entries thrown out for want of room, a second.',
          width: 4,
          unit: 'cps',
          thresholds: { warning: 0.001, critical: 1 },
          expr: `sum(${perSecond('khan_conntrack_drop_total')}) + sum(${perSecond('khan_conntrack_early_drop_total')})`,
        }),
        stat({
          title: 'Opened',
          description: 'Connections that begin in this table, a second.',
          width: 4,
          unit: 'cps',
          expr: `sum(${perSecond('khan_connection_total')}) or vector(0)`,
        }),
      ],
    },
    {
      title: 'Who fills the table?',
      panels: [
        table({
          title: 'Most entries, by client and server',
          description: 'In every state: what waits in TIME_WAIT takes its room too.',
          width: 24,
          columns: [...CLIENT_COLUMNS, ...SERVER_COLUMNS],
          measures: [
            { title: 'Entries', expr: most, decimals: 0 },
            { title: 'Growth in 1 h', expr: ofTop(growth(byEdge), most), decimals: 0 },
          ],
        }),
        graph({
          title: 'Entries by client and server',
          description: 'The ten that have most at each moment.',
          width: 12,
          stacked: true,
          queries: [
            {
              expr: most,
              legend: '{{src_app}}{{client}} → {{dst_app}}{{server}}:{{dst_port}}',
            },
          ],
        }),
        graph({
          title: 'Part of the table, by client',
          description: 'One workload alone may fill the table for everybody on the node.',
          width: 12,
          unit: 'percentunit',
          stacked: true,
          queries: [
            {
              expr: `topk(10, ${sumBy(CLIENT, workloads(`khan_connection_active{${NODE}, ${NAMED}}`, 'src'))} > 0) / scalar(${limit})`,
              legend: '{{src_ns}} {{src_app}}{{client}}',
            },
          ],
        }),
        heat({
          title: 'States',
          description: 'Much TIME_WAIT: reuse connections. Much ESTABLISHED: look for a leak.',
          width: 12,
          expr: `sum by (state) (khan_connection_active{${NODE}}) > 0`,
          legend: '{{state}}',
        }),
      ],
    },
    {
      title: 'How does the table do?',
      panels: [
        graph({
          title: 'Entries',
          description: 'The limit is a stat above: near an empty table it would hide the line.',
          width: 8,
          queries: [{ expr: entries, legend: 'entries' }],
        }),
        graph({
          title: 'Lost for want of room',
          description: 'More than nothing means that connections are lost.',
          width: 8,
          unit: 'cps',
          queries: [
            { expr: perSecond('khan_conntrack_drop_total'), legend: 'packets dropped' },
            { expr: perSecond('khan_conntrack_early_drop_total'), legend: 'entries dropped early' },
            { expr: perSecond('khan_conntrack_chain_toolong_total'), legend: 'chains too long' },
          ],
        }),
        graph({
          title: 'What the kernel met',
          description:
            'Insert failed: most often two packets that raced. Invalid: belongs to no connection.',
          width: 8,
          unit: 'cps',
          queries: [
            { expr: perSecond('khan_conntrack_invalid_total'), legend: 'invalid' },
            { expr: perSecond('khan_conntrack_insert_failed_total'), legend: 'insert failed' },
            { expr: perSecond('khan_conntrack_clash_resolve_total'), legend: 'clashes' },
            { expr: perSecond('khan_conntrack_search_restart_total'), legend: 'search restarts' },
            { expr: perSecond('khan_conntrack_error_total'), legend: 'errors' },
          ],
        }),
      ],
    },
  ],
});

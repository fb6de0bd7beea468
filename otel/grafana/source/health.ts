import { dashboard } from './dashboard.ts';
import { graph, stat } from './over-time.ts';

const perSecond = (vector: string) => `rate(${vector}[$__rate_interval])`;
const p99 = (histogram: string, ...by: readonly string[]) =>
  `histogram_quantile(0.99, sum by (${['le', ...by].join(', ')}) (${perSecond(`${histogram}_bucket`)}))`;
const each = (metric: string) => ({ expr: metric, legend: '{{instance}}' });

export const health = dashboard({
  uid: 'khan-health',
  title: 'khan / Health',
  description: 'Does khan itself do its work? Its own series know the instance of their scrape.',
  sections: [
    {
      title: 'Now',
      panels: [
        stat({
          title: 'Agents',
          description: 'That Prometheus can scrape. There should be one on each node.',
          width: 4,
          expr: 'count(khan_agent_edges) or vector(0)',
        }),
        stat({
          title: 'Failed cycles',
          description: 'Of all agents, in the last 10 minutes. Their numbers stay as they were.',
          width: 4,
          decimals: 0,
          thresholds: { warning: 1, critical: 10 },
          expr: 'sum(increase(khan_agent_cycles_total{result="failure"}[10m]))',
        }),
        stat({
          title: 'Agents without controller',
          description: 'That got no answer to their last question. They keep the names they have.',
          width: 4,
          thresholds: { warning: 1 },
          expr: 'count(khan_controller_up == 0) or vector(0)',
        }),
        stat({
          title: 'Oldest names',
          description: 'Time since the agent that waits longest was last told who owns what.',
          width: 4,
          unit: 's',
          thresholds: { warning: 120, critical: 3600 },
          expr: 'max(khan_mapping_age_seconds)',
        }),
        stat({
          title: 'Folded edges',
          description:
            'In overflow series, for there were more than series-max. Totals stay exact.',
          width: 4,
          thresholds: { warning: 1 },
          expr: 'sum(khan_agent_overflow_edges)',
        }),
        stat({
          title: 'Stale controllers',
          description: 'That have lost the API server: what they tell may be outdated.',
          width: 4,
          thresholds: { warning: 1 },
          expr: 'sum(khan_controller_stale) or vector(0)',
        }),
      ],
    },
    {
      title: 'Agents: do they count?',
      panels: [
        graph({
          title: 'Cycles',
          description: 'One a poll interval and agent, if all is well.',
          width: 6,
          unit: 'cps',
          queries: [
            {
              expr: `sum by (result) (${perSecond('khan_agent_cycles_total')})`,
              legend: '{{result}}',
            },
          ],
        }),
        graph({
          title: 'Duration, 99 of 100',
          description: 'A cycle is the dump of the table, naming and publishing.',
          width: 6,
          unit: 's',
          queries: [
            { expr: p99('khan_agent_cycle_duration_seconds'), legend: 'cycle' },
            { expr: p99('khan_agent_dump_duration_seconds'), legend: 'dump' },
          ],
        }),
        graph({
          title: 'Poll interval',
          description:
            'The longest of all agents beside what is set. Longer where a snapshot costs more than cpu-share-max.',
          width: 6,
          unit: 's',
          queries: [
            { expr: 'max(khan_agent_poll_interval_seconds)', legend: 'longest' },
            { expr: 'max(khan_agent_poll_interval_set_seconds)', legend: 'set' },
          ],
        }),
        graph({
          title: 'Series',
          description: 'Published by each agent. Prometheus has to keep them all.',
          width: 6,
          queries: [each('khan_agent_series')],
        }),
        graph({
          title: 'Disturbances',
          description:
            'Dumps that had to be repeated, messages of the kernel that could not be read, and events that were lost.',
          width: 8,
          unit: 'cps',
          queries: [
            {
              expr: `sum(${perSecond('khan_agent_dumps_repeated_total')})`,
              legend: 'dumps repeated',
            },
            {
              expr: `sum(${perSecond('khan_agent_malformed_messages_total')})`,
              legend: 'malformed',
            },
            {
              expr: `sum(${perSecond('khan_agent_event_overflows_total')})`,
              legend: 'events lost',
            },
          ],
        }),
        graph({
          title: 'Left out',
          description: 'Entries that the exclude setting leaves out.',
          width: 8,
          queries: [each('khan_agent_excluded_entries')],
        }),
        graph({
          title: 'OTLP push',
          description:
            'Requests by result, and series whose last counts are lost. Empty without a push.',
          width: 8,
          unit: 'cps',
          queries: [
            {
              expr: `sum by (result) (${perSecond('khan_agent_push_requests_total')})`,
              legend: '{{result}}',
            },
            { expr: `sum(${perSecond('khan_agent_lost_series_total')})`, legend: 'series lost' },
          ],
        }),
      ],
    },
    {
      title: 'Names: does everybody know who is who?',
      panels: [
        graph({
          title: 'Age of names',
          description:
            'A saw of one poll interval is good; a rise is a controller that does not answer.',
          width: 8,
          unit: 's',
          queries: [each('khan_mapping_age_seconds')],
        }),
        graph({
          title: 'Addresses that nobody owns',
          description: 'In the table of each agent. Unknown clients, or networks to be named.',
          width: 8,
          queries: [each('khan_unresolved_addresses')],
        }),
        graph({
          title: 'Questions without an answer',
          description: 'Of agents to the controller, by reason.',
          width: 8,
          unit: 'cps',
          queries: [
            {
              expr: `sum by (reason) (${perSecond('khan_mapping_failures_total')})`,
              legend: '{{reason}}',
            },
          ],
        }),
      ],
    },
    {
      title: 'Controller: does it answer, and from what?',
      panels: [
        graph({
          title: 'Requests',
          description: 'Of agents, by result.',
          width: 8,
          unit: 'cps',
          queries: [
            {
              expr: `sum by (result) (${perSecond('khan_controller_resolve_requests_total')})`,
              legend: '{{result}}',
            },
          ],
        }),
        graph({
          title: 'Time to answer, 99 of 100',
          description: 'From the head of a request to the last byte sent.',
          width: 8,
          unit: 's',
          queries: [
            { expr: p99('khan_controller_resolve_duration', 'instance'), legend: '{{instance}}' },
          ],
        }),
        graph({
          title: 'Addresses known',
          description:
            'Of which the controller knows the owner. Two controllers should know the same.',
          width: 8,
          queries: [each('khan_controller_inventory_addresses')],
        }),
        graph({
          title: 'Silence of the API server',
          description:
            'Since it was last heard of, by kind of object. Empty with an inventory file.',
          width: 8,
          unit: 's',
          queries: [{ expr: 'max by (kind) (khan_controller_last_contact)', legend: '{{kind}}' }],
        }),
        graph({
          title: 'Watches that ended',
          description: 'By reason. Resumed where they were; what etcd has forgotten is read again.',
          width: 8,
          unit: 'cps',
          queries: [
            {
              expr: `sum by (reason) (${perSecond('khan_controller_watch_interruptions_total')})`,
              legend: '{{reason}}',
            },
          ],
        }),
        graph({
          title: 'Token reviews',
          description: 'Who may ask, asked of the API server, by result.',
          width: 8,
          unit: 'cps',
          queries: [
            {
              expr: `sum by (result) (${perSecond('khan_controller_token_reviews_total')})`,
              legend: '{{result}}',
            },
          ],
        }),
      ],
    },
  ],
});

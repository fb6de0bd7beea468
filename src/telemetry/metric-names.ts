/**
 * Every metric name of khan, once. A name is an interface that dashboards and alerts stand on: what is
 * here is what leaves the program on both exporters.
 */

export interface MetricName {
  readonly name: string;
  /** UCUM; a unit in braces is an annotation. */
  readonly unit: string;
  readonly description: string;
}

export const METRIC = {
  connection: {
    name: 'khan_connection',
    unit: '{connection}',
    description: 'Connections opened since the agent began, each counted once, when first seen',
  },
  connectionClosed: {
    name: 'khan_connection_closed',
    unit: '{connection}',
    description: 'Of the connections counted as opened, those that have left the table',
  },
  connectionActive: {
    name: 'khan_connection_active',
    unit: '{connection}',
    description: 'Connections in the table now, by state',
  },
  connectionIdle: {
    name: 'khan_connection_idle',
    unit: '{connection}',
    description: 'Established connections by time since their last packet',
  },
  connectionHalfClosed: {
    name: 'khan_connection_half_closed',
    unit: '{connection}',
    description: 'Connections that one end has closed and the other has not, by who has',
  },
  connectionUnanswered: {
    name: 'khan_connection_unanswered',
    unit: '{connection}',
    description: 'Connections of which the server has never answered a packet',
  },
  connectionOrphaned: {
    name: 'khan_connection_orphaned',
    unit: '{connection}',
    description: 'Connections in the table that a pod which is gone has left behind',
  },
  connectionOldest: {
    name: 'khan_connection_oldest',
    unit: 's',
    description: 'Age of the oldest open connection, of the series that have the oldest ones',
  },
  connectionDuration: {
    name: 'khan_connection_duration',
    unit: 's',
    description:
      'How long connections lasted that have ended, from their first packet to their last',
  },
  connectionLeakScore: {
    name: 'khan_connection_leak_score',
    unit: '1',
    description: 'How much connections look as if they leak, from 0 to 1',
  },
  connectionBytes: {
    name: 'khan_connection_bytes',
    unit: 'By',
    description: 'Bytes of connections, IP headers included, where the kernel accounts',
  },
  connectionPackets: {
    name: 'khan_connection_packets',
    unit: '{packet}',
    description: 'Packets of connections, where the kernel accounts',
  },
  conntrackEntries: {
    name: 'khan_conntrack_entries',
    unit: '{entry}',
    description: 'Entries in the connection tracking table of this network namespace',
  },
  conntrackLimit: {
    name: 'khan_conntrack_limit',
    unit: '{entry}',
    description: 'Entries that the connection tracking table may hold (nf_conntrack_max)',
  },
  conntrackInvalid: {
    name: 'khan_conntrack_invalid',
    unit: '{packet}',
    description: 'Packets that belong to no connection there could be',
  },
  conntrackInsertFailed: {
    name: 'khan_conntrack_insert_failed',
    unit: '{entry}',
    description: 'Entries that were not inserted, mostly because there was the same one already',
  },
  conntrackDrop: {
    name: 'khan_conntrack_drop',
    unit: '{packet}',
    description: 'Packets dropped because no entry could be had for them, as in a full table',
  },
  conntrackEarlyDrop: {
    name: 'khan_conntrack_early_drop',
    unit: '{entry}',
    description: 'Entries that went before their time, to make room in a full table',
  },
  conntrackError: {
    name: 'khan_conntrack_error',
    unit: '{packet}',
    description: 'Packets that could not be tracked, such as malformed ICMP errors',
  },
  conntrackSearchRestart: {
    name: 'khan_conntrack_search_restart',
    unit: '{lookup}',
    description: 'Look-ups begun anew while the hash table was being resized',
  },
  conntrackClashResolve: {
    name: 'khan_conntrack_clash_resolve',
    unit: '{packet}',
    description: 'Packets of one new connection that came on two CPUs at once',
  },
  conntrackChainTooLong: {
    name: 'khan_conntrack_chain_toolong',
    unit: '{entry}',
    description: 'Entries that were not inserted because their hash chain was too long',
  },
  agentCycles: {
    name: 'khan_agent_cycles',
    unit: '{cycle}',
    description: 'Cycles of the agent, from dump to published series, by result',
  },
  agentCycleDuration: {
    name: 'khan_agent_cycle_duration',
    unit: 's',
    description: 'Duration of a cycle, from dump to published series',
  },
  agentDumpDuration: {
    name: 'khan_agent_dump_duration',
    unit: 's',
    description: 'Duration of the dump inside a cycle: the time the kernel and the reader take',
  },
  agentDumpsRepeated: {
    name: 'khan_agent_dumps_repeated',
    unit: '{dump}',
    description:
      'Dumps thrown away and repeated, because they were cut off or the table was resized',
  },
  agentMalformedMessages: {
    name: 'khan_agent_malformed_messages',
    unit: '{message}',
    description: 'Netlink messages that were skipped because they could not be decoded',
  },
  agentEvents: {
    name: 'khan_agent_events',
    unit: '{event}',
    description: 'Ends of connections that the kernel has told of as they happened',
  },
  agentEventOverflows: {
    name: 'khan_agent_event_overflows',
    unit: '{overflow}',
    description: 'Times that events were lost, because more came than there was room for',
  },
  agentEventsFollowed: {
    name: 'khan_agent_events_followed',
    unit: '',
    description:
      '1 while events are followed, 0 while the agent pauses after an overflow or the kernel tells of none',
  },
  agentEventsPaused: {
    name: 'khan_agent_events_paused',
    unit: 's',
    description: 'Time in which events were not followed, after overflows',
  },
  agentExcludedEntries: {
    name: 'khan_agent_excluded_entries',
    unit: '{entry}',
    description: 'Entries of the last snapshot that the exclude setting left out',
  },
  agentEdges: {
    name: 'khan_agent_edges',
    unit: '{edge}',
    description: 'Edges of the last snapshot',
  },
  agentSeries: {
    name: 'khan_agent_series',
    unit: '{series}',
    description: 'Attribute sets that are published now',
  },
  agentOverflowEdges: {
    name: 'khan_agent_overflow_edges',
    unit: '{edge}',
    description: 'Edges that are folded into overflow series now',
  },
  agentSnapshotTime: {
    name: 'khan_agent_snapshot_time',
    unit: 's',
    description: 'When the published snapshot was taken, in seconds since 1970',
  },
  agentPollInterval: {
    name: 'khan_agent_poll_interval',
    unit: 's',
    description: 'Time between two snapshots, as it is now',
  },
  agentPollIntervalSet: {
    name: 'khan_agent_poll_interval_set',
    unit: 's',
    description: 'Time between two snapshots, as it was set',
  },
  agentStateSaves: {
    name: 'khan_agent_state_saves',
    unit: '{save}',
    description: 'States that the agent has written for its next start, by result',
  },
  agentStateBytes: {
    name: 'khan_agent_state_bytes',
    unit: 'By',
    description: 'Size of the state that the agent has written last',
  },
  agentPushRequests: {
    name: 'khan_agent_push_requests',
    unit: '{request}',
    description: 'OTLP requests, retries not counted, by result',
  },
  agentPushedPoints: {
    name: 'khan_agent_pushed_points',
    unit: '{point}',
    description:
      'Data points in OTLP requests that were answered, by result: accepted, or rejected by the collector',
  },
  agentWaitingSeries: {
    name: 'khan_agent_waiting_series',
    unit: '{series}',
    description: 'Series that have ended, but whose last counts no OTLP push has delivered yet',
  },
  agentLostSeries: {
    name: 'khan_agent_lost_series',
    unit: '{series}',
    description: 'Series whose last counts no OTLP push will deliver: too many waited for it',
  },
  controllerUp: {
    name: 'khan_controller_up',
    unit: '',
    description: '1 when the controller answered the last question of this agent, else 0',
  },
  mappingAge: {
    name: 'khan_mapping_age',
    unit: 's',
    description: 'Time since the source of identities answered last',
  },
  mappingStale: {
    name: 'khan_mapping_stale',
    unit: '',
    description: '1 while the source of identities is away, and what it said may be outdated',
  },
  mappingDuration: {
    name: 'khan_mapping_duration',
    unit: 's',
    description: 'Time from a question to the controller to its answer',
  },
  mappingFailures: {
    name: 'khan_mapping_failures',
    unit: '{question}',
    description: 'Questions to the controller that were not answered, by reason',
  },
  unresolvedAddresses: {
    name: 'khan_unresolved_addresses',
    unit: '{address}',
    description: 'Addresses of the last snapshot that nobody owns, as far as known now',
  },
} as const satisfies Record<string, MetricName>;

/** Name of the log event that tells of a leak, with standard names and without. */
export const LEAK_EVENT = 'khan.connection.leak';

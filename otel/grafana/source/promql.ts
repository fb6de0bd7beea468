/** Parts of queries that several panels share. */

/** In the table and alive: what is left of a connection in TIME_WAIT and CLOSE is none any more. */
export const OPEN = 'state!~"TIME_WAIT|CLOSE"';
/** The other side has never answered. */
export const UNANSWERED = 'state=~"SYN_SENT|UNREPLIED"';
/** Folded series have lost their ends: they are no client and no server. */
export const NAMED = 'otel_metric_overflow=""';

type End = 'src' | 'dst';

/**
 * By workload, not by pod: where there is an app, its name alone says who it is; nodes, networks and
 * gateways keep their own names, and an address that nobody owns is called unknown.
 */
export function workloads(vector: string, ...ends: readonly End[]): string {
  return ends.reduce(
    (inner, end) =>
      `label_replace(label_replace(${inner}, "${end}_name", "", "${end}_app", ".+"), ` +
      `"${end}_name", "unknown", "${end}_type", "")`,
    vector,
  );
}

export const CLIENT = ['src_type', 'src_ns', 'src_app', 'src_name'] as const;
export const SERVER = ['dst_type', 'dst_ns', 'dst_app', 'dst_name', 'dst_port'] as const;

export function sumBy(labels: readonly string[], vector: string): string {
  return `sum by (${labels.join(', ')}) (${vector})`;
}

/**
 * An hour's growth of what the vector sums up, as in the last 30 minutes. Of the sum, not of each
 * series: pods that replace others in a rollout are no growth.
 */
export function growth(vector: string): string {
  return `3600 * deriv((${vector})[30m:1m])`;
}

/** The same rows as those of the measure that the table is sorted by. */
export function ofTop(vector: string, top: string): string {
  return `(${vector}) and (${top})`;
}

/** Parts of queries that several panels share. */

/** In the table and alive: what is left of a connection in TIME_WAIT and CLOSE is none any more. */
export const OPEN = 'state!~"TIME_WAIT|CLOSE"';
/** The other side has never answered. */
export const UNANSWERED = 'state=~"SYN_SENT|UNREPLIED"';
/** Folded series have lost their ends: they are no client and no server. */
export const NAMED = 'otel_metric_overflow=""';

type End = 'src' | 'dst';

/**
 * By workload, not by pod: where there is an app, its name alone says who it is. Nodes, networks and
 * gateways go by their own names, and an address that nobody owns is called unknown; both stand in a
 * label of their own, for no two series may become one before they are summed up.
 */
export function workloads(vector: string, ...ends: readonly End[]): string {
  return ends.reduce((inner, end) => {
    const label = OTHER_NAME[end];
    const named = `label_replace(${inner}, "${label}", "$1", "${end}_name", "(.+)")`;
    const withoutApp = `label_replace(${named}, "${label}", "", "${end}_app", ".+")`;
    return `label_replace(${withoutApp}, "${label}", "unknown", "${end}_type", "")`;
  }, vector);
}

/** What {@link workloads} calls those without an app. */
const OTHER_NAME: Readonly<Record<End, string>> = { src: 'client', dst: 'server' };

export const CLIENT = ['src_type', 'src_ns', 'src_app', 'client'] as const;
export const SERVER = ['dst_type', 'dst_ns', 'dst_app', 'server', 'dst_port'] as const;

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

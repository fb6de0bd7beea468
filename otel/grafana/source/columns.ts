/** Columns of tables, and where they lead. */
import { ofTop } from './promql.ts';

const TIME = '${__url_time_range}';
const SOURCE = 'var-datasource=${datasource}';

function cell(title: string): string {
  return `\${__data.fields["${title}"]:percentencode}`;
}

/** The path of the workload of a row, by the titles of its columns. */
function workloadUrl(namespace: string, app: string): string {
  const variables = `var-namespace=${cell(namespace)}&var-app=${cell(app)}`;
  return `/d/khan-workload?${SOURCE}&${variables}&${TIME}`;
}

export const NODE_URL = `/d/khan-node?${SOURCE}&var-node=${cell('Node')}&${TIME}`;

export const CLIENT_COLUMNS = [
  { label: 'src_type', title: 'Client type' },
  { label: 'src_ns', title: 'Client namespace' },
  { label: 'src_app', title: 'Client app', url: workloadUrl('Client namespace', 'Client app') },
  { label: 'client', title: 'Client name' },
] as const;

export const SERVER_COLUMNS = [
  { label: 'dst_type', title: 'Server type' },
  { label: 'dst_ns', title: 'Server namespace' },
  { label: 'dst_app', title: 'Server app', url: workloadUrl('Server namespace', 'Server app') },
  { label: 'server', title: 'Server name' },
  { label: 'dst_port', title: 'Port' },
] as const;

/** How many are open, in the rows of the first measure. */
export function openNow(open: string, top: string) {
  return { title: 'Open now', expr: ofTop(open, top), decimals: 0 } as const;
}

/** Opened a second, the most first, and how many of those are open. */
export function openedAndOpen(opened: string, open: string) {
  return [
    { title: 'Opened', expr: opened, unit: 'cps', decimals: 2 },
    openNow(open, opened),
  ] as const;
}

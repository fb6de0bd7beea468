import type { Edge } from '../../src/top/reading.ts';

/** Labels of one end, as a page has them. */
function end(
  which: 'src' | 'dst',
  { type, ip, ns, app, name, ...rest }: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const labels = { type, ip, ns, app, name, ...rest };
  return Object.fromEntries(
    Object.entries(labels).flatMap(([key, value]) => (value ? [[`${which}_${key}`, value]] : [])),
  );
}

export function pod(name: string, ip: string) {
  return { type: 'pod', ip, ns: 'shop', app: name.split('-')[0], name };
}

const API = { type: 'service', ip: '10.96.0.10', ns: 'shop', app: 'api', name: 'api' };

/** From this source to the service api, unless it is told otherwise. */
export function edge(
  source: Readonly<Record<string, string | undefined>>,
  values: Edge['values'],
  { destination = API, port = '80', node = 'node-a' } = {},
): Edge {
  const labels = {
    node,
    ...end('src', source),
    ...end('dst', destination),
    dst_port: port,
    transport: 'tcp',
    primary: 'true',
  };
  return { labels, values: { ...values } };
}

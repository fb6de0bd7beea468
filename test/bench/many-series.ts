import { SeriesBuilder } from '../builders/series.ts';

/** Opened, closed and two states. */
export const POINTS_PER_SERIES = 4;

/** Each another pair of 110 sources and as many destinations as it takes. */
export function seriesOf(number: number): SeriesBuilder {
  const source = number % 110;
  const destination = Math.floor(number / 110);
  return new SeriesBuilder({
    labels: {
      node: 'node-a',
      src_type: 'pod',
      src_ip: `10.1.${source >> 8}.${source & 255}`,
      src_ns: `team-${source % 10}`,
      src_app: `app-${source}`,
      src_name: `app-${source}-6d4f9c7b8-x2x1p`,
      dst_type: 'service',
      dst_ip: `10.96.${(destination >> 8) & 255}.${destination & 255}`,
      dst_ns: `team-${destination % 50}`,
      dst_app: `svc-${destination}`,
      dst_name: `svc-${destination}`,
      dst_port: 8000 + (number % 7),
      transport: 'tcp',
      primary: true,
    },
    opened: 1,
    active: { ESTABLISHED: 1, TIME_WAIT: 1 },
  });
}

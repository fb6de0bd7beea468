import { cluster } from './cluster.ts';
import type { Dashboard } from './dashboard.ts';
import { health } from './health.ts';
import { node } from './node.ts';
import { workload } from './workload.ts';

/** By file. */
export const DASHBOARDS: Readonly<Record<string, Dashboard>> = {
  'cluster.json': cluster,
  'workload.json': workload,
  'node.json': node,
  'health.json': health,
};

/** Every path through the cluster, named by a real API server through controllers and tokens. */
import t from 'tap';
import { clusterTests } from '../kernel/cluster.ts';
import { PATHS, PATH_SERVERS, walk } from '../kernel/paths.ts';
import { ControlPlane } from './control-plane.ts';
import { requireServers } from './require-servers.ts';

await requireServers(t, async () => {
  const test = await clusterTests(t, PATH_SERVERS, async () => {
    const { agentSettings } = await ControlPlane.start(t);
    return agentSettings;
  });
  for (const path of PATHS) test(path.sentence, (t, cluster) => walk(t, cluster, path));
});

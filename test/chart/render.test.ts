/** What the chart renders for each supported installation, without a cluster. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { requireProgramsOfKubernetes } from '../e2e/kubernetes-programs.ts';
import { requireServers } from '../e2e/require-servers.ts';
import { CHART, INSTALLATIONS } from './chart-files.ts';

await requireServers(t, async () => {
  const { helm } = await requireProgramsOfKubernetes((line) => process.stderr.write(`${line}\n`));
  const run = (...argv: readonly string[]) => spawnSync(helm, argv, { encoding: 'utf8' });
  const template = (...argv: readonly string[]) =>
    run('template', 'khan', CHART, '--namespace', 'khan', ...argv);
  const objectsOf = (...argv: readonly string[]): readonly any[] => {
    const { stdout, stderr } = template(...argv);
    const documents = parseAllDocuments(stdout);
    if (documents.length === 0) throw new Error(stderr);
    return documents.map((one) => one.toJS()).filter((object) => object !== null);
  };

  for (const [name, values] of INSTALLATIONS) {
    t.test(`helm lint has nothing to say about ${name}`, async (t) => {
      const { status, stdout } = run('lint', '--strict', CHART, '--values', values);
      t.equal(status, 0, stdout);
    });

    t.test(
      `${name}: every object has a place, labels, and no privilege that it does not need`,
      async (t) => {
        for (const { kind, metadata, spec } of objectsOf('--values', values)) {
          const isOfCluster = kind.startsWith('ClusterRole');
          t.equal(metadata.namespace, isOfCluster ? undefined : 'khan', kind);
          t.equal(metadata.labels['app.kubernetes.io/instance'], 'khan', kind);
          if (kind !== 'DaemonSet' && kind !== 'Deployment') continue;
          const pod = spec.template.spec;
          const [{ securityContext, image, args }] = pod.containers;
          t.equal(pod.containers.length, 1);
          t.match(securityContext, {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            seccompProfile: { type: 'RuntimeDefault' },
            capabilities: { drop: ['ALL'] },
          });
          t.equal(pod.hostPID ?? pod.hostIPC ?? securityContext.privileged, undefined);
          t.match(image, /^(registry\.example\/team\/khan:1\.2\.3|khan:0\.1\.0)$/);
          if (kind === 'DaemonSet') {
            t.strictSame(args, ['agent']);
            t.strictSame(securityContext.capabilities.add, ['NET_ADMIN']);
            t.equal(pod.automountServiceAccountToken, false);
          } else {
            t.strictSame(args, ['controller']);
            t.equal(securityContext.capabilities.add, undefined);
            t.match(pod.securityContext, { runAsNonRoot: true, runAsUser: 65_532 });
          }
        }
      },
    );
  }

  for (const [name, values] of INSTALLATIONS) {
    t.test(`what ${name} renders is what was reviewed`, async (t) => {
      const { stdout } = template('--values', values);
      // Made anew each time.
      const reviewed = stdout.replaceAll(/^( {2}(?:ca\.crt|tls\.crt|tls\.key):) .*$/gm, '$1 …');
      t.matchSnapshot(reviewed, name);
    });
  }

  t.test('the rules and alerts of otel/prometheus are shipped as they are', async (t) => {
    const objects = objectsOf('--set', 'prometheusRule.enabled=true');
    const rules = objects.find(({ kind }) => kind === 'PrometheusRule');
    const all = rules.spec.groups.flatMap((group: any) => group.rules);
    const leak = all.find(({ alert }: any) => alert === 'KhanLeakSuspected');
    t.match(leak.annotations.summary, '{{ $labels.src_ns }}/{{ $labels.src_app }}');
    t.ok(all.some(({ record }: any) => record === 'workload:khan_connection:rate5m'));
  });

  t.test('the dashboards of otel/grafana are shipped as they are', async (t) => {
    const objects = objectsOf('--set', 'dashboards.enabled=true');
    const dashboards = objects.filter(({ kind }) => kind === 'ConfigMap');
    const folder = join(CHART, '../../../otel/grafana');
    const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
    t.equal(dashboards.length, files.length);
    for (const { data, metadata } of dashboards) {
      const [name = ''] = Object.keys(data);
      t.equal(data[name].trim(), readFileSync(join(folder, name), 'utf8').trim(), name);
      t.equal(metadata.labels['grafana_dashboard'], '1');
    }
  });

  for (const [values, complaint] of [
    ['agent.setings.poll-interval=1s', 'setings'],
    ['tls.mode=maybe', 'tls'],
    ['otlp.endpoint=collector:4317', 'endpoint'],
    ['controller.replicas=0', 'replicas'],
    ['tls.mode=existingSecret', 'tls.existingSecret: missing'],
    ['podMonitor.enabled=true,serviceMonitor.enabled=true', 'one of them'],
    ['tls.mode=certManager', 'tls.certManager.issuerRef: missing'],
  ] as const) {
    t.test(`${values} is refused`, async (t) => {
      const { status, stderr } = template('--set', values);
      t.not(status, 0);
      t.match(stderr, complaint);
    });
  }
});

/** The text of a kubeconfig with one context, named `test`; JSON is YAML. */
export function kubeconfig({
  server,
  caFile,
  user = {},
}: {
  /** In clear text unless there is a CA file. */
  readonly server: string;
  readonly caFile?: string;
  readonly user?: object;
}): string {
  const trust =
    caFile === undefined
      ? { 'insecure-skip-tls-verify': true }
      : { 'certificate-authority': caFile };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [{ name: 'test', cluster: { server, ...trust } }],
    users: [{ name: 'test', user }],
  });
}

/** The types of objects that are other operators', as Go modules publish them: CustomResourceDefinitions. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, type Tell } from '../e2e/build.ts';

interface Source {
  readonly module: string;
  /** Of its content, as go.sum has it. */
  readonly sum: string;
  readonly files: readonly string[];
}

const SOURCES: readonly Source[] = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.94.0',
    sum: 'h1:VxMKzqr8Xqw5/QInNT7a3B5XInPnHqE7SD2UIdwKpRM=',
    files: ['podmonitors', 'servicemonitors', 'prometheusrules'].map(
      (kind) => `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`,
    ),
  },
  {
    module: 'github.com/cert-manager/cert-manager@v1.20.3',
    sum: 'h1:7zgThbjfRBNjN2/cM/Wdo/vl/oeFQybIMNzxd1Ocipc=',
    files: ['deploy/crds/cert-manager.io_certificates.yaml'],
  },
];

/** Paths of their files, out of the cache of Go modules. Throws an Error when a module is not the pinned one. */
export async function fetchOperatorTypes(tell: Tell): Promise<string[]> {
  const paths: string[] = [];
  for (const { module, sum, files } of SOURCES) {
    const argv = ['mod', 'download', '-json', module];
    const printed = await run('go', argv, { tell, folder: tmpdir(), doing: `Fetching ${module}` });
    const { Sum, Dir }: { readonly Sum: string; readonly Dir: string } = JSON.parse(printed);
    if (Sum !== sum) throw new Error(`Cannot use ${module}: its content is not the pinned one`);
    paths.push(...files.map((file) => join(Dir, file)));
  }
  return paths;
}

/** Every file of otel/collector, and every command of docs/pipelines.md, before a real Collector. */
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { PIPELINES, configOf } from './collector.ts';
import { requireCollector } from './require-servers.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/pipelines.md'), 'utf8');
const MODULES = readFileSync(join(import.meta.dirname, 'go-collector/go.mod'), 'utf8');
const FILES = readdirSync(PIPELINES).filter((name) => name.endsWith('.yaml'));
const EXPORT = /^export (\w+)=(?:'(.*)'|(.*))$/gm;
/** A variable without a default. */
const REQUIRED = /\$\{env:(\w+)\}/g;

interface Command {
  readonly line: string;
  readonly files: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The page's blocks that run a Collector, with what they export before. */
function commands(): readonly Command[] {
  const blocks = [...PAGE.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block);
  return blocks.flatMap((block) => {
    const line = /^otelcol-contrib .*$/m.exec(block)?.[0];
    if (line === undefined) return [];
    const files = [...line.matchAll(/--config (\S+)/g)].map(([, file = '']) => file);
    const env = [...block.matchAll(EXPORT)].map(([, name, quoted, bare]) => [name, quoted ?? bare]);
    return [{ line, files, env: Object.fromEntries(env) }];
  });
}

function requiredBy(files: readonly string[]): readonly string[] {
  const texts = files.map((file) => readFileSync(join(PIPELINES, file), 'utf8'));
  const names = texts.flatMap((text) => [...text.matchAll(REQUIRED)].map(([, name = '']) => name));
  return [...new Set(names)].toSorted();
}

t.test(
  'docs/pipelines.md has a command for every file, and says all that it must be told',
  async (t) => {
    t.strictSame(
      FILES.filter((file) => !commands().some(({ files }) => files.includes(file))),
      [],
    );
    for (const { line, files, env } of commands()) {
      t.strictSame(
        requiredBy(files).filter((name) => !(name in env)),
        [],
        line,
      );
    }
  },
);

t.test('docs/pipelines.md names the version that the tests are run with', async (t) => {
  const [, version] = /collector\/otelcol v(\S+)/.exec(MODULES) ?? [];
  t.match(PAGE, `a Collector ${version} of`);
});

await requireCollector(t, async (program) => {
  t.test('a Collector takes every command of docs/pipelines.md', async (t) => {
    for (const { line, files, env } of commands()) {
      const validated = promisify(execFile)(program, ['validate', ...configOf(files)], { env });
      await t.resolves(validated, line);
    }
  });

  t.test('a Collector takes what stands in between in front of every backend', async (t) => {
    const env = Object.assign({}, ...commands().map((command) => command.env));
    const backends = FILES.filter((file) => file.startsWith('to-'));
    for (const scrape of ['scrape-kubernetes.yaml', 'scrape-static.yaml']) {
      const files = ['gateway.yaml', scrape, 'primary.yaml', 'reduce.yaml', ...backends];
      const validated = promisify(execFile)(program, ['validate', ...configOf(files)], { env });
      await t.resolves(validated, files.join(' '));
    }
  });

  t.test('a Collector refuses a file with a mistake in it', async (t) => {
    const mistake = ['--set', 'processors::transform/reduce::metric_statements=[set(nothing, 1)]'];
    const argv = [
      'validate',
      ...configOf(['gateway.yaml', 'reduce.yaml', 'to-file.yaml']),
      ...mistake,
    ];
    const env = { K8S_CLUSTER_NAME: 'blue', DEPLOYMENT_ENVIRONMENT: 'test', OUTPUT_FILE: 'unused' };
    await t.rejects(promisify(execFile)(program, argv, { env }), { message: /nothing/ });
  });
});

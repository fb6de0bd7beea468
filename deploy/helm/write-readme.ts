/** `npm run docs`: writes the chart's README as values.yaml has it; with --check, says whether it is. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';

const INTRODUCTION = `# The chart

[docs/install.md](../../../docs/install.md) installs it, [UPGRADING.md](UPGRADING.md) says what a new version asks for. The schema refuses values that are not here.

The tables are values.yaml, written by \`npm run docs\`.`;

const CHART = new URL('khan/', import.meta.url);
const path = fileURLToPath(new URL('README.md', CHART));
const values = parseDocument(readFileSync(new URL('values.yaml', CHART), 'utf8'));
if (!isMap(values.contents)) throw new Error('values.yaml is not a mapping');
const readme = await format([INTRODUCTION, ...sectionsOf(values.contents)].join('\n\n'), {
  ...(await resolveConfig(path)),
  filepath: path,
});

if (!process.argv.includes('--check')) writeFileSync(path, readme);
else if (readFileSync(path, 'utf8') !== readme) {
  throw new Error('deploy/helm/khan/README.md is not what values.yaml says: npm run docs');
}

/** One for each mapping at the top, and one for what stands there by itself. */
function sectionsOf(top: YAMLMap): string[] {
  const alone: string[] = [];
  const sections: string[] = [];
  for (const { name, value, comment } of pairsOf(top)) {
    if (isBlock(value)) sections.push(`## ${name}`, comment, table(rowsOf(value, name)));
    else alone.push(row(name, value, comment));
  }
  return ['## Names and images', table(alone), ...sections];
}

function rowsOf(map: YAMLMap, prefix: string): string[] {
  return pairsOf(map).flatMap(({ name, value, comment }) => {
    const key = `${prefix}.${name}`;
    return isBlock(value) ? rowsOf(value, key) : [row(key, value, comment)];
  });
}

/** The comment before the first key of a mapping is the mapping's own. */
function pairsOf(map: YAMLMap): { name: string; value: unknown; comment: string }[] {
  return map.items.map(({ key, value }, index) => {
    if (!isScalar(key)) throw new Error(`Cannot read a key of values.yaml: ${String(key)}`);
    const before = key.commentBefore ?? (index === 0 ? map.commentBefore : undefined) ?? '';
    const comment = before.replaceAll(/\s+/g, ' ').trim();
    return { name: String(key.value), value, comment };
  });
}

/** A mapping in lines of its own; one in braces is a value. */
function isBlock(value: unknown): value is YAMLMap {
  return isMap(value) && value.flow !== true;
}

function row(key: string, value: unknown, comment: string): string {
  return `| \`${key}\` | \`${JSON.stringify(value)}\` | ${comment.replaceAll('|', '\\|')} |`;
}

function table(rows: readonly string[]): string {
  return ['| value | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

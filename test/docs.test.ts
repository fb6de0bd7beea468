import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { agentSettings } from '../src/agent/config.ts';
import { controllerSettings } from '../src/controller/config.ts';
import { demoSettings } from '../src/demo/config.ts';
import { topSettings } from '../src/top/config.ts';
import { settingsMarkdown, type SettingsTable } from '../src/runtime/settings.ts';

/** Defaults that depend on the machine, as the page writes them. */
const HOST_NAME = '`hostname`';

const PROGRAMS: Readonly<Record<string, SettingsTable>> = {
  agent: agentSettings,
  controller: controllerSettings,
  top: topSettings,
  demo: demoSettings,
};

/** Cells without their padding: prettier aligns a table by its widest cell. */
function rowsOf(markdown: string): string[] {
  const rows = markdown.split('\n').filter((line) => line.startsWith('|'));
  return rows.map((row) => row.replace(/\s+/g, ' ').replace(/-{3,}/g, '---'));
}

t.test('docs/configuration.md has every setting of every program as it is', async (t) => {
  const page = readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8');
  for (const [program, table] of Object.entries(PROGRAMS)) {
    const section = page.split(`## khan ${program}\n`)[1]?.split('\n## ')[0] ?? '';
    const nodeName = agentSettings['node-name'].defaultText;
    const expected = settingsMarkdown(table).replace(`\`${nodeName}\``, HOST_NAME);
    t.same(rowsOf(section), rowsOf(expected), `khan ${program}`);
  }
});

t.test('docs/faults.md names tests that exist', async (t) => {
  const page = readFileSync(new URL('../docs/faults.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| .+? +\| (?<sentence>.+?) +\| `(?<file>\S+)` +\|$/gm)];
  t.ok(rows.length > 20);
  for (const { groups = {} } of rows) {
    const file = readFileSync(new URL(String(groups['file']), import.meta.url), 'utf8');
    const sentence = String(groups['sentence']);
    t.ok(file.includes(sentence), sentence);
  }
});

t.test("the chart's README is what values.yaml says", async (t) => {
  const script = fileURLToPath(new URL('../deploy/helm/write-readme.ts', import.meta.url));
  t.doesNotThrow(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' }));
});

/** What a PromQL expression asks for, found by reading it as text. */
export interface Asked {
  /** Names of metrics, those of recording rules among them. */
  readonly metrics: ReadonlySet<string>;
  /** Names of labels in matchers and in `by`, `on`, `ignoring`, `without`. */
  readonly labels: ReadonlySet<string>;
}

const METRIC = /(?<![\w:])(?:[a-z]+:)?khan_[a-z0-9_]+(?::[a-z0-9]+)?/g;
const MATCHERS = /\{(?<inside>[^}]*)\}/g;
const MATCHER_NAME = /(?<name>[a-z_]+)\s*(?:=~|!~|!=|=)/g;
const GROUPING = /\b(?:by|on|ignoring|without|group_left|group_right)\s*\((?<names>[^)]*)\)/g;
const TEXT = /"(?:[^"\\]|\\.)*"/g;

export function askedBy(expression: string): Asked {
  const code = expression.replaceAll(TEXT, '""');
  const labels = new Set<string>();
  for (const { groups: matchers } of code.matchAll(MATCHERS)) {
    for (const { groups } of (matchers?.['inside'] ?? '').matchAll(MATCHER_NAME)) {
      labels.add(groups?.['name'] ?? '');
    }
  }
  for (const { groups } of code.matchAll(GROUPING)) {
    for (const name of (groups?.['names'] ?? '').split(',')) {
      if (name.trim() !== '') labels.add(name.trim());
    }
  }
  return { metrics: new Set(code.match(METRIC) ?? []), labels };
}

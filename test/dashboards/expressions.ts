/** What a dashboard asks, found in its JSON, and its variables filled in. */
import type { Dashboard } from '../../otel/grafana/source/dashboard.ts';

const VARIABLE = /\$\{(?<braced>\w+)[^}]*\}|\$(?<bare>[a-zA-Z_]\w*)/g;
const IN_QUERY = /^query_result\((?<expr>.+)\)$|^label_values\((?<metric>.+), (?<label>\w+)\)$/s;

/** The queries of panels, and those of variables without what Grafana puts around them. */
export function* expressionsOf({ panels, templating }: Dashboard): Generator<string> {
  for (const panel of panels) {
    if (panel.type !== 'row') for (const { expr } of panel.targets) yield expr;
  }
  for (const variable of templating.list) {
    if (variable.type === 'query') yield variableQuery(variable.query.query).expr;
  }
}

/** A label's values, or, without a label, lines of a result. */
export function variableQuery(query: string): { readonly expr: string; readonly label?: string } {
  const { expr, metric, label } = IN_QUERY.exec(query)?.groups ?? {};
  if (expr !== undefined) return { expr };
  if (metric === undefined || label === undefined)
    throw new SyntaxError(`Cannot read the query of a variable: ${query}`);
  return { expr: `group by (${label}) (${metric})`, label };
}

/** Where clicks on cells lead. */
export function* urlsOf({ panels }: Dashboard): Generator<string> {
  for (const { groups } of JSON.stringify(panels).matchAll(/"url":(?<url>"(?:[^"\\]|\\.)*")/g))
    yield JSON.parse(groups?.['url'] ?? '""');
}

export function variableNames(text: string): readonly string[] {
  return Array.from(
    text.matchAll(VARIABLE),
    ({ groups }) => groups?.['braced'] ?? groups?.['bare'] ?? '',
  );
}

/** As Grafana sends it; what is not given stands as any value would. */
export function filled(text: string, values: Readonly<Record<string, string>> = {}): string {
  const known: Readonly<Record<string, string>> = { __rate_interval: '1m', ...values };
  return text.replaceAll(VARIABLE, (_match, braced: string, bare: string) => {
    return known[braced ?? bare] ?? 'value';
  });
}

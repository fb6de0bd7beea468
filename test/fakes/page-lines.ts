/** The lines of one metric on a Prometheus page, in the order of their text. */
export function linesOf(page: string, metric: string): string[] {
  const isOfMetric = (line: string): boolean => /^[^{ ]*/.exec(line)?.[0] === metric;
  return page.split('\n').filter(isOfMetric).toSorted();
}

import { DATASOURCE, REF_IDS, field, target } from './panel.ts';
import type { Common, Field, Override, Panel, Placed } from './panel.ts';

interface Column {
  /** A label of the queries. */
  readonly label: string;
  readonly title: string;
  /** Where a click on the cell leads. */
  readonly url?: string;
}

interface Measure extends Field {
  readonly title: string;
  readonly expr: string;
}

/** What is most by its first measure; a row is one set of the columns' labels. */
export function table(
  options: Common & {
    readonly columns: readonly Column[];
    readonly measures: readonly Measure[];
    readonly height?: number;
  },
): Placed {
  const { title, description, width, height = 8, columns, measures } = options;
  const [first] = measures;
  if (first === undefined) throw new RangeError(`Cannot make the table ${title}: no measure`);
  const renameByName: Record<string, string> = {};
  for (const { label, title: name } of columns) renameByName[label] = name;
  // Grafana numbers the values only where several queries have an answer; the first one's rows are
  // those of the others too, so where one alone has an answer it is the first.
  renameByName['Value'] = first.title;
  if (measures.length > 1)
    measures.forEach((each, at) => (renameByName[`Value #${REF_IDS[at]}`] = each.title));
  const panel: Panel = {
    type: 'table',
    title,
    description,
    datasource: DATASOURCE,
    targets: measures.map(({ expr, title: legend }, at) => target({ expr, legend }, at, true)),
    fieldConfig: {
      defaults: { noValue: '', custom: { align: 'auto', filterable: false } },
      overrides: [
        ...columns.flatMap(({ title: name, url }) => (url === undefined ? [] : [link(name, url)])),
        ...measures.map((measure, at) => measured(measure, at === 0)),
      ],
    },
    options: { showHeader: true, cellHeight: 'sm', footer: { show: false } },
    transformations: [
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true },
          indexByName: Object.fromEntries(Object.keys(renameByName).map((name, at) => [name, at])),
          renameByName,
        },
      },
      { id: 'sortBy', options: { fields: {}, sort: [{ field: first.title, desc: true }] } },
    ],
  };
  return { panel, width, height };
}

function link(name: string, url: string): Override {
  const links = [{ title: 'Look closer', url, targetBlank: false }];
  return { matcher: { id: 'byName', options: name }, properties: [{ id: 'links', value: links }] };
}

function measured({ title, ...rest }: Measure, isFirst: boolean): Override {
  const { unit, decimals, thresholds } = field(rest);
  const gauge = { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' };
  return {
    matcher: { id: 'byName', options: title },
    properties: [
      { id: 'unit', value: unit },
      ...(decimals === undefined ? [] : [{ id: 'decimals', value: decimals }]),
      { id: 'thresholds', value: thresholds },
      // One query knows the row and the other does not.
      { id: 'noValue', value: '0' },
      ...(isFirst
        ? [
            { id: 'custom.cellOptions', value: gauge },
            { id: 'min', value: 0 },
          ]
        : []),
    ],
  };
}

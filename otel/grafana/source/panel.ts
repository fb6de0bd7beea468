/** Panels as Grafana's JSON has them, from what is worth saying about each. */

/** Every panel asks the data source that the reader has chosen. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

export type Unit = 'short' | 'percentunit' | 's' | 'cps';

interface Field {
  readonly unit?: Unit;
  readonly decimals?: number;
  /** Green below the first; the thresholds are for a first look, not alerts. */
  readonly thresholds?: { readonly warning: number; readonly critical?: number };
}

interface Common {
  readonly title: string;
  readonly description: string;
  /** Of 24 columns. */
  readonly width: number;
}

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource: typeof DATASOURCE;
  readonly legendFormat: string;
  readonly format: 'time_series' | 'table';
  readonly instant: boolean;
  readonly range: boolean;
}

/** What holds for every value of a panel. */
export interface Defaults {
  readonly unit?: Unit;
  readonly decimals?: number;
  readonly min?: number;
  readonly noValue?: string;
  readonly color?: { readonly mode: string };
  readonly thresholds?: {
    readonly mode: 'absolute';
    readonly steps: readonly { readonly color: string; readonly value: number | null }[];
  };
  readonly custom?: {
    readonly fillOpacity?: number;
    readonly stacking?: { readonly mode: 'normal' | 'none'; readonly group: string };
    readonly [more: string]: unknown;
  };
}

/** What holds for one column of a table. */
interface Override {
  readonly matcher: { readonly id: 'byName'; readonly options: string };
  readonly properties: readonly { readonly id: string; readonly value: unknown }[];
}

interface Transformation {
  readonly id: 'merge' | 'organize' | 'sortBy';
  readonly options: {
    readonly renameByName?: Readonly<Record<string, string>>;
    readonly [more: string]: unknown;
  };
}

/** Without its place: id and gridPos come from the dashboard. */
export interface Panel extends Omit<Common, 'width'> {
  readonly type: 'stat' | 'timeseries' | 'table' | 'status-history';
  readonly datasource: typeof DATASOURCE;
  readonly targets: readonly Target[];
  readonly fieldConfig: { readonly defaults: Defaults; readonly overrides: readonly Override[] };
  readonly options: object;
  readonly transformations?: readonly Transformation[];
  readonly maxDataPoints?: number;
}

export interface Placed {
  readonly panel: Panel;
  readonly width: number;
  readonly height: number;
}

interface Query {
  readonly expr: string;
  readonly legend: string;
}

const REF_IDS = ['A', 'B', 'C', 'D', 'E', 'F'] as const;

function target({ expr, legend }: Query, index: number, asTable: boolean): Target {
  const refId = REF_IDS[index];
  if (refId === undefined) throw new RangeError(`Cannot add query ${index + 1}: too many`);
  return {
    refId,
    expr,
    datasource: DATASOURCE,
    legendFormat: legend,
    format: asTable ? 'table' : 'time_series',
    instant: asTable,
    range: !asTable,
  };
}

function field({ unit = 'short', decimals, thresholds }: Field) {
  const steps: { color: string; value: number | null }[] = [{ color: 'green', value: null }];
  if (thresholds !== undefined) {
    steps.push({ color: 'orange', value: thresholds.warning });
    if (thresholds.critical !== undefined) steps.push({ color: 'red', value: thresholds.critical });
  }
  return {
    unit,
    ...(decimals === undefined ? {} : { decimals }),
    noValue: '–',
    thresholds: { mode: 'absolute', steps },
  } as const;
}

/** One number, coloured by its thresholds, over how it came about. */
export function stat(options: Common & Field & { readonly expr: string }): Placed {
  const { title, description, width, expr, ...rest } = options;
  const panel: Panel = {
    type: 'stat',
    title,
    description,
    datasource: DATASOURCE,
    targets: [target({ expr, legend: title }, 0, false)],
    fieldConfig: {
      defaults: { ...field(rest), color: { mode: 'thresholds' } },
      overrides: [],
    },
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      colorMode: 'value',
      graphMode: 'area',
      justifyMode: 'auto',
      orientation: 'auto',
      textMode: 'value',
    },
  };
  return { panel, width, height: 4 };
}

/** Lines over time. */
export function graph(
  options: Common & Field & { readonly queries: readonly Query[]; readonly stacked?: boolean },
): Placed {
  const { title, description, width, queries, stacked = false, ...rest } = options;
  const panel: Panel = {
    type: 'timeseries',
    title,
    description,
    datasource: DATASOURCE,
    targets: queries.map((query, index) => target(query, index, false)),
    fieldConfig: {
      defaults: {
        ...field(rest),
        min: 0,
        color: { mode: 'palette-classic' },
        custom: {
          drawStyle: 'line',
          lineWidth: 2,
          fillOpacity: stacked ? 30 : 8,
          showPoints: 'never',
          spanNulls: false,
          stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
          thresholdsStyle: { mode: rest.thresholds === undefined ? 'off' : 'dashed' },
        },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
  return { panel, width, height: 8 };
}

/** A cell for each state and moment, the hotter the more. */
export function heat(options: Common & Query): Placed {
  const { title, description, width, ...query } = options;
  const panel: Panel = {
    type: 'status-history',
    title,
    description,
    datasource: DATASOURCE,
    maxDataPoints: 60,
    targets: [target(query, 0, false)],
    fieldConfig: {
      defaults: {
        unit: 'short',
        color: { mode: 'continuous-BlYlRd' },
        custom: { fillOpacity: 80, lineWidth: 0 },
      },
      overrides: [],
    },
    options: {
      showValue: 'never',
      rowHeight: 0.9,
      colWidth: 0.95,
      legend: { displayMode: 'list', placement: 'bottom', showLegend: false },
      tooltip: { mode: 'single', sort: 'none' },
    },
  };
  return { panel, width, height: 8 };
}

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
  options: Common & { readonly columns: readonly Column[]; readonly measures: readonly Measure[] },
): Placed {
  const { title, description, width, columns, measures } = options;
  const [first] = measures;
  if (first === undefined) throw new RangeError(`Cannot make the table ${title}: no measure`);
  const renameByName: Record<string, string> = {};
  for (const { label, title: name } of columns) renameByName[label] = name;
  // Grafana numbers the values only where there are several queries.
  if (measures.length === 1) renameByName['Value'] = first.title;
  else measures.forEach((each, at) => (renameByName[`Value #${REF_IDS[at]}`] = each.title));
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
  return { panel, width, height: 8 };
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

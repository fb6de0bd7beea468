/** Panels as Grafana's JSON has them, from what is worth saying about each. */

/** Every panel asks the data source that the reader has chosen. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

type Unit = 'short' | 'percentunit' | 's' | 'cps';

export interface Field {
  readonly unit?: Unit;
  readonly decimals?: number;
  /**
   * For a first look, not alerts. What is bad is above them, or below them where the critical one is
   * the lower.
   */
  readonly thresholds?: { readonly warning: number; readonly critical?: number };
}

export interface Common {
  readonly title: string;
  readonly description: string;
  /** Of 24 columns. */
  readonly width: number;
}

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource: typeof DATASOURCE;
  readonly legendFormat: string;
  readonly format: 'time_series' | 'table';
  readonly instant: boolean;
  readonly range: boolean;
}

/** The colour from this value on; null is the first. */
interface Step {
  readonly color: 'green' | 'orange' | 'red';
  readonly value: number | null;
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
    readonly steps: readonly Step[];
  };
  readonly custom?: {
    readonly fillOpacity?: number;
    readonly stacking?: { readonly mode: 'normal' | 'none'; readonly group: string };
    readonly [more: string]: unknown;
  };
}

/** What holds for one column of a table. */
export interface Override {
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

export interface Query {
  readonly expr: string;
  readonly legend: string;
}

export const REF_IDS = ['A', 'B', 'C', 'D', 'E', 'F'] as const;

export function target({ expr, legend }: Query, index: number, asTable: boolean): Target {
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

const GOOD: Step = { color: 'green', value: null };

function stepsOf({ warning, critical }: NonNullable<Field['thresholds']>): readonly Step[] {
  if (critical === undefined) return [GOOD, { color: 'orange', value: warning }];
  if (critical > warning)
    return [GOOD, { color: 'orange', value: warning }, { color: 'red', value: critical }];
  return [
    { color: 'red', value: null },
    { color: 'orange', value: critical },
    { color: 'green', value: warning },
  ];
}

export function field({ unit = 'short', decimals, thresholds }: Field) {
  const steps = thresholds === undefined ? [GOOD] : stepsOf(thresholds);
  return {
    unit,
    ...(decimals === undefined ? {} : { decimals }),
    noValue: '–',
    thresholds: { mode: 'absolute', steps },
  } as const;
}

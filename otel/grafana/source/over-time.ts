/** Panels that show how something came about. */
import { DATASOURCE, field, target } from './panel.ts';
import type { Common, Field, Panel, Placed, Query } from './panel.ts';

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
      defaults: {
        ...field(rest),
        // Else the line begins at its lowest value, and a number that hardly moves seems to fall to 0.
        min: 0,
        color: { mode: 'thresholds' },
      },
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

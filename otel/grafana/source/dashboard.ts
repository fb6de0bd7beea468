import { DATASOURCE, type Panel, type Placed } from './panel.ts';

/** A question and the panels that answer it, in rows from left to right. */
interface Section {
  readonly title: string;
  readonly panels: readonly Placed[];
}

interface QueryVariable {
  readonly name: string;
  readonly label: string;
  /** In Grafana's words for Prometheus: `label_values(…)` or `query_result(…)`. */
  readonly query: string;
  /** Which part of a line of the result is the value. */
  readonly regex?: string;
}

interface Description {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables?: readonly QueryVariable[];
  readonly sections: readonly Section[];
}

interface Place {
  readonly id: number;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
}

interface Row extends Place {
  readonly type: 'row';
  readonly title: string;
  readonly collapsed: false;
  readonly panels: readonly [];
}

export type Dashboard = ReturnType<typeof dashboard>;

const COLUMNS = 24;

/** As Grafana 11 and 12 import it. */
export function dashboard({ uid, title, description, variables = [], sections }: Description) {
  return {
    uid,
    title,
    description,
    tags: ['khan'],
    // Grafana 11's; later ones bring it up to date when they load it.
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    links: [
      {
        type: 'dashboards',
        title: 'khan',
        tags: ['khan'],
        asDropdown: false,
        includeVars: false,
        keepTime: true,
        targetBlank: false,
      },
    ],
    templating: {
      list: [
        {
          type: 'datasource',
          name: 'datasource',
          label: 'Data source',
          query: 'prometheus',
        } as const,
        ...variables.map(queryVariable),
      ],
    },
    panels: placed(sections),
  };
}

function queryVariable({ name, label, query, regex = '' }: QueryVariable) {
  return {
    type: 'query',
    name,
    label,
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: 'Variable' },
    regex,
    // When the time range changes, for workloads come and go.
    refresh: 2,
    sort: 1,
    multi: false,
    includeAll: false,
  } as const;
}

function placed(sections: readonly Section[]): readonly (Row | (Panel & Place))[] {
  const all: (Row | (Panel & Place))[] = [];
  let y = 0;
  for (const { title, panels } of sections) {
    const head = { x: 0, y, w: COLUMNS, h: 1 };
    all.push({
      id: all.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: head,
      panels: [],
    });
    y += 1;
    let x = 0;
    let rowHeight = 0;
    for (const { panel, width, height } of panels) {
      if (x + width > COLUMNS) {
        x = 0;
        y += rowHeight;
        rowHeight = 0;
      }
      all.push({ id: all.length + 1, gridPos: { x, y, w: width, h: height }, ...panel });
      x += width;
      rowHeight = Math.max(rowHeight, height);
    }
    y += rowHeight;
  }
  return all;
}

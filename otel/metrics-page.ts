import type { Metric, MetricAttribute, Registry, RegistryEvent } from './read-registry.ts';
import type { AttributeDefinition, RequirementLevel } from './registry-schema.ts';

/** A part of the page; a metric is in the first that takes it. */
interface Section {
  readonly title: string;
  readonly text: string;
  readonly takes: (metric: Metric) => boolean;
}

const SECTIONS: readonly Section[] = [
  {
    title: 'Connections',
    text: `Each of these has the [attributes of connections](#attributes-of-connections). Sums over a cluster are right
with \`primary="true"\`: a connection between two nodes stands in two tables.`,
    takes: ({ name }) => name.startsWith('khan_connection'),
  },
  {
    title: 'The table of a node',
    text: `Of the network namespace that the agent reads. The kernel's statistics are counters that begin with the agent.`,
    takes: ({ name }) => name.startsWith('khan_conntrack_'),
  },
  {
    title: 'The agent',
    text: 'Khan about khan, from each agent.',
    takes: ({ name }) => name.startsWith('khan_agent_'),
  },
  {
    title: 'Names of addresses, as an agent has them',
    text: 'Only where an agent has a source of names, `--controller-url` or `--inventory-file`.',
    takes: ({ entity_associations: entities }) => entities.includes('khan.agent'),
  },
  {
    title: 'The controller',
    text: `On the Prometheus page of each replica; a controller does not push. Those about watches are there only
with \`--source kubernetes\`.`,
    takes: ({ entity_associations: entities }) => entities.includes('khan.controller'),
  },
];

const INSTRUMENTS = {
  counter: 'Counter',
  updowncounter: 'UpDownCounter',
  gauge: 'Gauge',
  histogram: 'Histogram',
};

/** docs/metrics.md, not yet in shape. */
export function metricsPage(registry: Registry): string {
  const metrics = [...registry.metrics.values()];
  const sections = SECTIONS.map((section) => {
    return { ...section, metrics: metrics.filter((metric) => sectionOf(metric) === section) };
  });
  return `# Metrics

<!-- Written by \`npm run docs\` from otel/registry: change it there. -->

Every metric of khan, by its name in OpenTelemetry, and every attribute. On a Prometheus page a counter ends with
\`_total\`, and a duration in seconds of an agent with \`_seconds\`. An attribute without a value is left out, in PromQL the same as
an empty label. Stability is that of OpenTelemetry: what is \`beta\` keeps its name and its meaning from one version to the
next, or the change log says how they go on; what is in \`development\` may change.

${table(
  ['Question', 'Metric'],
  sections
    .flatMap((section) => section.metrics)
    .flatMap((metric) => {
      const question = metric.annotations?.khan.question;
      return question === undefined ? [] : [[question, link(metric)]];
    }),
)}

${sections.map(sectionText).join('\n\n')}

## Attributes of connections

${attributesText(registry)}

**What it costs.** An edge is two counters and one series for each state and each other signal that it has had, on each
node whose table has it (\`--signals\` chooses which signals are told); there are as many edges as pairs of addresses that talk, times the ports they talk to. To have fewer
series, drop what tells them apart (\`--drop-attributes\`); sums stay exact in any combination:

| Left out                                 | Series are then as many as                                       |
| ---------------------------------------- | ---------------------------------------------------------------- |
| nothing                                  | pairs of addresses, times ports                                  |
| \`src_ip,src_name\`                      | apps of clients, times addresses of servers, times ports         |
| \`src_ip,src_name,dst_ip,dst_name\`      | pairs of apps, times ports                                       |
| nothing, with \`--external-prefix 24/64\` | as with nothing, but clients outside count as their networks     |
| nothing, with \`--external-prefix 0/0\`   | as with nothing, but all clients outside count as one            |

\`--series-max\` bounds them in any case.

## Log events

Log records over OTLP, with a name; they also have the [attributes of connections](#attributes-of-connections).

${[...registry.events.values()].map(eventText).join('\n\n')}

## Standard names

With \`--otlp-names standard\` an agent pushes these names in the place of its own; see
[configuration.md](configuration.md#names). The metrics of the controller have none: it does not push. States that the
conventions have no word for are conntrack's own in lower case.

${standardText(registry)}
`;
}

/** The names under which Prometheus knows a metric: as the agent and the controller really write them. */
export function prometheusNames({ name, instrument, unit, entity_associations }: Metric): string[] {
  // The controller's page is the stock serialiser's, which adds no unit.
  const hasUnit = unit === 's' && entity_associations.includes('khan.agent');
  const family = hasUnit ? `${name}_seconds` : name;
  if (instrument === 'counter') return [`${family}_total`];
  if (instrument !== 'histogram') return [family];
  return ['bucket', 'sum', 'count'].map((part) => `${family}_${part}`);
}

function sectionOf(metric: Metric): Section {
  const section = SECTIONS.find(({ takes }) => takes(metric));
  if (section === undefined) throw new Error(`Cannot place ${metric.name}: no section takes it`);
  return section;
}

function sectionText({ title, text, metrics }: Section & { readonly metrics: readonly Metric[] }) {
  return `## ${title}\n\n${text}\n\n${metrics.map(metricText).join('\n\n')}`;
}

function metricText(metric: Metric): string {
  const { name, brief, note, instrument, unit, stability, attributes } = metric;
  const prometheus = prometheusNames(metric).map(code).join(', ');
  const facts = table(
    ['Prometheus', 'Instrument', 'Unit', 'Stability'],
    [[prometheus, INSTRUMENTS[instrument], unit === '' ? '–' : code(unit), stability]],
  );
  const own = attributes.filter(({ definition }) => !isOfConnections(definition, metric));
  return [`### ${name}`, `${brief}.`, facts, note?.trim(), attributeList(own)]
    .filter((part) => part !== undefined && part !== '')
    .join('\n\n');
}

function eventText({ name, brief, note = '', attributes }: RegistryEvent): string {
  const own = attributes.filter(({ definition: { key } }) => /^leak_|^closed_by$/.test(key));
  return [`### ${name}`, `${brief}.`, note.trim(), attributeList(own)].join('\n\n');
}

function attributeList(attributes: readonly MetricAttribute[]): string {
  const items = attributes.map(({ definition, reference }) => {
    const values = reference.annotations?.khan.values ?? valuesOf(definition);
    const said = values.length > 0 ? ` One of ${values.map(code).join(', ')}.` : '';
    return `- ${code(definition.key)}: ${definition.brief}${said}`;
  });
  return items.join('\n');
}

/** Told once for all metrics that have the base attributes. */
function isOfConnections({ key }: AttributeDefinition, { attributes }: Metric): boolean {
  return key !== 'state' && attributes.some(({ definition }) => definition.key === 'primary');
}

function attributesText({ metrics }: Registry): string {
  const all = new Map<string, MetricAttribute>();
  for (const metric of metrics.values()) {
    for (const attribute of metric.attributes) {
      if (isOfConnections(attribute.definition, metric)) {
        all.set(attribute.definition.key, attribute);
      }
    }
  }
  const base = [...all.values()].filter(({ group }) => group === undefined);
  const groups = new Set([...all.values()].flatMap(({ group }) => group ?? []));
  const texts = [...groups].map((group) => {
    const own = [...all.values()].filter((attribute) => attribute.group === group);
    return `**${group.brief}** ${group.note ?? ''}\n\n${attributeTable(own)}`;
  });
  return [attributeTable(base), ...texts].join('\n\n');
}

function attributeTable(attributes: readonly MetricAttribute[]): string {
  return table(
    ['Attribute', 'Type', 'Meaning', 'There when'],
    attributes.map(({ definition, reference }) => [
      code(definition.key),
      typeOf(definition),
      `${definition.brief} ${definition.note ?? ''}`,
      condition(reference.requirement_level),
    ]),
  );
}

function condition(level: RequirementLevel | undefined): string {
  if (level === 'required') return 'always';
  if (level === 'opt_in') return 'switched on, and known';
  return typeof level === 'object' ? level.conditionally_required : 'unless left out';
}

function typeOf(definition: AttributeDefinition): string {
  if (typeof definition.type === 'string') return definition.type;
  return valuesOf(definition).map(code).join(', ');
}

function valuesOf({ type }: AttributeDefinition): string[] {
  return typeof type === 'string' ? [] : type.members.map(({ value }) => value);
}

function standardText({ metrics, attributes }: Registry): string {
  const metricRows = [...metrics.values()].flatMap(({ name, annotations }) => {
    const standard = annotations?.khan.standard;
    return standard === undefined ? [] : [[code(name), code(standard)]];
  });
  const attributeRows = [...attributes.values()].flatMap(({ key, annotations }) => {
    if (annotations === undefined) return [];
    const { standard, resource } = annotations.khan;
    return [
      [code(key), standard === null ? `– (resource: ${code(resource ?? '')})` : code(standard)],
    ];
  });
  const stateRows = [...attributes.values()].flatMap(({ type }) =>
    typeof type === 'string'
      ? []
      : type.members.flatMap(({ value, annotations }) => {
          return annotations === undefined ? [] : [[code(value), code(annotations.khan.standard)]];
        }),
  );
  return [
    table(['Metric', 'Standard'], metricRows),
    table(['Attribute', 'Standard'], attributeRows),
    table(['State', 'Standard'], stateRows),
  ].join('\n\n');
}

function link({ name }: Metric): string {
  return `[${code(name)}](#${name})`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [tableRow(head), tableRow(head.map(() => '---')), ...rows.map(tableRow)].join('\n');
}

function tableRow(cells: readonly string[]): string {
  const texts = cells.map((cell) => cell.trim().replaceAll(/\s+/g, ' ').replaceAll('|', '\\|'));
  return `| ${texts.join(' | ')} |`;
}

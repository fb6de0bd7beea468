import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Attributes } from '@opentelemetry/api';
import type { Log } from '../runtime/log.ts';
import { ownAttributes } from './connection-point.ts';
import { ORIGINAL } from './names.ts';
import { contentType } from './exposition.ts';
import { escapeLabelValue } from './label-parts.ts';
import {
  answer,
  chooseCoding,
  compress,
  PageBudget,
  RenderedPage,
  type Coding,
} from './rendered-page.ts';
import type { SignalColumns } from './signal-columns.ts';

interface Options {
  readonly producer: { readonly columns: readonly SignalColumns[] };
  readonly log: Log;
}

/** GET /khan: the page of the original project, for dashboards that were written for it. */
export class OriginalPage {
  readonly #producer: Options['producer'];
  readonly #log: Log;
  readonly #budget = new PageBudget();

  constructor({ producer, log }: Options) {
    this.#producer = producer;
    this.#log = log;
  }

  /** Answers one scrape; a failure is logged and answered with 500, never thrown. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const page = this.#render(chooseCoding(request));
    await answer(response, page, this.#log);
    await page.then(
      (made) => made.letGo(),
      () => {},
    );
  }

  async #render(coding: Coding): Promise<RenderedPage> {
    return this.#budget.make(async (onUnused) => {
      const plain = [Buffer.from(renderOriginal(this.#producer.columns))];
      const chunks = coding === 'gzip' ? await compress(plain) : plain;
      return new RenderedPage({ contentType: contentType('text'), coding, chunks, onUnused });
    });
  }
}

/**
 * All labels stand on every line, empty where there is no value. Series that differ in anything else
 * (`primary`) are one line, and what has no connection has no line.
 */
function renderOriginal(columns: readonly SignalColumns[]): string {
  const connections = new Map<string, number>();
  for (const active of columns.filter(({ signal }) => signal === 'active')) {
    for (const [row, value] of active.values.entries()) {
      if (value === 0) continue;
      const { labels } = active.seriesOf(row);
      const line = originalLabels({ ...labels, ...ownAttributes(active.measure(row)) });
      connections.set(line, (connections.get(line) ?? 0) + value);
    }
  }
  let text = `# HELP ${ORIGINAL.name} ${ORIGINAL.description}\n# TYPE ${ORIGINAL.name} gauge\n`;
  for (const [labels, count] of connections) text += `${ORIGINAL.name}{${labels}} ${count}\n`;
  return text;
}

function originalLabels(attributes: Attributes): string {
  return ORIGINAL.labels
    .map((label) => `${label}="${escapeLabelValue(attributes[label] ?? '')}"`)
    .join(',');
}

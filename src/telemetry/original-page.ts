import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Attributes } from '@opentelemetry/api';
import type { DataPoint } from '@opentelemetry/sdk-metrics';
import type { Log } from '../runtime/log.ts';
import { ORIGINAL } from './names.ts';
import { contentType } from './exposition.ts';
import { escapeLabelValue } from './label-parts.ts';
import { PageBudget, RenderedPage, answer } from './rendered-page.ts';

interface Options {
  /** `active`: connections in the table now, one point a series and state. */
  readonly producer: { readonly active: Iterable<DataPoint<number>> };
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
    const page = this.#render();
    await answer({ request, response }, page, this.#log);
    await page.then(
      (made) => made.letGo(),
      () => {},
    );
  }

  async #render(): Promise<RenderedPage> {
    return this.#budget.make(async (onUnused) => {
      const text = renderOriginal(this.#producer.active);
      return new RenderedPage([Buffer.from(text)], contentType('text'), onUnused);
    });
  }
}

/**
 * All labels stand on every line, empty where there is no value. Series that differ in anything else
 * (`primary`) are one line, and what has no connection has no line.
 */
function renderOriginal(active: Iterable<DataPoint<number>>): string {
  const connections = new Map<string, number>();
  for (const { attributes, value } of active) {
    if (value === 0) continue;
    const line = originalLabels(attributes);
    connections.set(line, (connections.get(line) ?? 0) + value);
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

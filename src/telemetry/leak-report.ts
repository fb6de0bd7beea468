import { SeverityNumber, type Attributes, type Logger } from '@opentelemetry/api';
import type { LeakEvent } from '../connections/leak-watch.ts';
import type { Log } from '../runtime/log.ts';
import { LEAK_EVENT } from './metric-names.ts';
import { ATTRIBUTE } from './names.ts';
import { standardAttributes, type OtlpNames } from './standard-names.ts';

/** The first of these that there is names an end. */
const CLIENT = [ATTRIBUTE.sourceApp, ATTRIBUTE.sourceName, ATTRIBUTE.sourceAddress];
const SERVER = [ATTRIBUTE.destinationApp, ATTRIBUTE.destinationName, ATTRIBUTE.destinationAddress];

interface LeakReportOptions {
  readonly logger: Logger;
  readonly otlpNames: OtlpNames;
  readonly log: Log;
}

/**
 * Tells of leaks: a line in the log, and a log event over OTLP. Of a connection that stands in two tables
 * the one tells that counts it (`primary`), so that a leak is told once in a cluster.
 */
export class LeakReport {
  readonly #options: LeakReportOptions;

  constructor(options: LeakReportOptions) {
    this.#options = options;
  }

  tell(events: Iterable<LeakEvent<Attributes>>): void {
    const { logger, otlpNames, log } = this.#options;
    for (const event of events) {
      if (event.labels[ATTRIBUTE.primary] === false) continue;
      const attributes = leakAttributes(event);
      const body = leakSentence(event);
      const hasBegun = event.kind === 'began';
      log[hasBegun ? 'warn' : 'info']({ event: LEAK_EVENT, ...attributes }, body);
      logger.emit({
        eventName: LEAK_EVENT,
        timestamp: new Date(event.atMs),
        severityNumber: hasBegun ? SeverityNumber.WARN : SeverityNumber.INFO,
        severityText: hasBegun ? 'WARN' : 'INFO',
        body,
        attributes: otlpNames === 'standard' ? standardAttributes(attributes) : attributes,
      });
    }
  }
}

export function leakAttributes({
  kind,
  labels,
  sinceMs,
  verdict,
}: LeakEvent<Attributes>): Attributes {
  const { closedBy } = verdict;
  return {
    ...labels,
    [ATTRIBUTE.leakState]: kind,
    [ATTRIBUTE.leakReason]: verdict.reason,
    [ATTRIBUTE.leakScore]: rounded(verdict.score),
    [ATTRIBUTE.leakRate]: rounded(verdict.ratePerMinute),
    [ATTRIBUTE.leakSince]: new Date(sinceMs).toISOString(),
    [ATTRIBUTE.leakOpen]: verdict.open,
    [ATTRIBUTE.leakIdleShare]: rounded(verdict.idleShare),
    [ATTRIBUTE.leakHalfClosedShare]: rounded(verdict.halfClosedShare),
    ...(closedBy !== undefined && { [ATTRIBUTE.closedBy]: closedBy }),
  };
}

/** What the person on call reads. */
export function leakSentence({ kind, labels, sinceMs, verdict }: LeakEvent<Attributes>): string {
  const { open, idleShare, halfClosedShare, closedBy, reason, ratePerMinute } = verdict;
  const client = firstOf(labels, CLIENT, ATTRIBUTE.sourceNamespace);
  const destination = firstOf(labels, SERVER, ATTRIBUTE.destinationNamespace);
  const port = textOf(labels[ATTRIBUTE.destinationPort]);
  const server = port === undefined ? destination : `${destination}:${port}`;
  const shares = [`${open} open`, `${percent(idleShare)} idle`];
  if (closedBy !== undefined)
    shares.push(`${percent(halfClosedShare)} closed by the ${closedBy} only`);
  const now = shares.join(', ');
  if (kind === 'ended') return `${client} leaks no more connections to ${server}: ${now}`;
  const since = `since ${new Date(sinceMs).toISOString().slice(0, 16)}Z`;
  if (reason !== 'half_closed') {
    const rate = Number(ratePerMinute.toPrecision(2));
    return `${client} leaks ${rate} connections a minute to ${server} ${since}: ${now}`;
  }
  return closedBy === 'client'
    ? `${server} does not close what ${client} has closed ${since}: ${now}`
    : `${client} does not close what ${server} has closed ${since}: ${now}`;
}

function firstOf(labels: Attributes, keys: readonly string[], namespaceKey: string): string {
  const name = keys.map((key) => textOf(labels[key])).find((text) => text !== undefined);
  const namespace = textOf(labels[namespaceKey]);
  return [namespace, name ?? 'somebody'].filter((part) => part !== undefined).join('/');
}

function textOf(value: Attributes[string]): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** To a thousandth: nothing here is known better. */
function rounded(value: number): number {
  return Math.round(1000 * value) / 1000;
}

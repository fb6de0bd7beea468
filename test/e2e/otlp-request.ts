/** Requests as an agent pushes them, for what no lab does on demand. */

interface Value {
  readonly address: string;
  readonly value: number;
  /** When its series began, in ms since the epoch. */
  readonly startMs: number;
  readonly timeMs: number;
}

interface Pushed {
  readonly name: string;
  readonly isMonotonic: boolean;
  readonly values: readonly Value[];
}

/** Pods of one workload that talk to one service, told apart by their address and name. */
function attributesOf(address: string): readonly object[] {
  const text = {
    node: 'node-a',
    src_type: 'pod',
    src_ip: address,
    src_ns: 'shop',
    src_app: 'web',
    src_name: `web-${address}`,
    dst_type: 'service',
    dst_ip: '10.96.0.10',
    dst_ns: 'shop',
    dst_app: 'api',
    dst_name: 'api',
    transport: 'tcp',
  };
  return [
    ...Object.entries(text).map(([key, stringValue]) => ({ key, value: { stringValue } })),
    { key: 'dst_port', value: { intValue: '80' } },
    { key: 'primary', value: { boolValue: true } },
  ];
}

function nano(ms: number): string {
  return String(BigInt(ms) * 1_000_000n);
}

/** Sends one request; throws when it is refused. */
export async function pushTo(endpoint: string, metrics: readonly Pushed[]): Promise<void> {
  const resource = [{ key: 'service.instance.id', value: { stringValue: 'one' } }];
  const body = {
    resourceMetrics: [
      {
        resource: { attributes: resource },
        scopeMetrics: [{ scope: { name: 'khan' }, metrics: metrics.map(metricOf) }],
      },
    ],
  };
  const response = await fetch(`${endpoint}/v1/metrics`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`Cannot push: ${response.status} ${await response.text()}`);
}

function metricOf({ name, isMonotonic, values }: Pushed): object {
  const dataPoints = values.map(({ address, value, startMs, timeMs }) => ({
    attributes: attributesOf(address),
    startTimeUnixNano: nano(startMs),
    timeUnixNano: nano(timeMs),
    asInt: String(value),
  }));
  return { name, sum: { aggregationTemporality: 2, isMonotonic, dataPoints } };
}

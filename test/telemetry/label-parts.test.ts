import type { Attributes } from '@opentelemetry/api';
import t from 'tap';
import { LabelParts } from '../../src/telemetry/label-parts.ts';

const client = { node: 'node-a', src_type: 'pod', src_ip: '10.1.0.1' };
const server = { dst_type: 'pod', dst_ip: '10.1.0.2' };
const rest = { dst_port: 443, primary: true };

function textsOf(parts: LabelParts, labels: Attributes): string[] {
  return parts.of(labels).map(({ bytes }) => Buffer.from(bytes).toString());
}

t.test('labels come in the order of the attributes, in a part for each end', async (t) => {
  const parts = new LabelParts();
  t.strictSame(textsOf(parts, { ...client, ...server, ...rest, src_zone: 'a' }), [
    'node="node-a",src_type="pod",src_ip="10.1.0.1"',
    ',dst_type="pod",dst_ip="10.1.0.2"',
    ',dst_port="443",primary="true"',
    ',src_zone="a"',
  ]);
  t.strictSame(textsOf(parts, {}), []);
});

t.test('series share the parts that they have in common', async (t) => {
  const parts = new LabelParts();
  const first = parts.of({ ...client, ...server, ...rest });
  const second = parts.of({ ...client, dst_type: 'service', ...rest });
  t.equal(first[0], second[0], 'the client');
  t.equal(first[2], second[2], 'port and primary');
  t.equal(parts.size, 4);
});

t.test('a part that is on no page any more is forgotten, the others stay', async (t) => {
  const parts = new LabelParts();
  const stays = { ...client, ...rest };
  parts.of(stays);
  parts.of({ ...client, ...server, ...rest });
  parts.turn();
  t.equal(parts.size, 3);
  const [shared] = parts.of(stays);
  parts.turn();
  t.equal(parts.size, 2, 'the server went');
  t.equal(parts.of({ ...client, ...server })[0], shared);
  t.equal(parts.size, 3, 'and is made anew when it is back');
});

t.test('names and values that a page cannot have are written so that it can', async (t) => {
  const parts = new LabelParts();
  t.strictSame(textsOf(parts, { 'otel.metric..overflow': true, src_app: 'a"b\\c\nd' }), [
    'otel_metric_overflow="true"',
    ',src_app="a\\"b\\\\c\\nd"',
  ]);
});

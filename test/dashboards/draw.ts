/**
 * Draws the dashboards from a real Prometheus, where there is no Grafana at hand: on a page for each,
 * `/workload.json?var-app=…&minutes=…`. Its one argument is where Prometheus is.
 */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DASHBOARDS } from '../../otel/grafana/source/dashboards.ts';
import { drawDashboard } from './draw-dashboard.ts';
import { PrometheusApi } from './prometheus-api.ts';

const [prometheusUrl = 'http://127.0.0.1:9090', port = '0'] = process.argv.slice(2);
const api = new PrometheusApi(prometheusUrl);

const UPLOT = fileURLToPath(import.meta.resolve('uplot'));
const FILES: Readonly<Record<string, readonly [path: string, type: string]>> = {
  '/uplot.js': [join(UPLOT, '../uPlot.iife.min.js'), 'text/javascript'],
  '/uplot.css': [join(UPLOT, '../uPlot.min.css'), 'text/css'],
  '/page.js': [join(import.meta.dirname, 'page.js'), 'text/javascript'],
  '/page.css': [join(import.meta.dirname, 'page.css'), 'text/css'],
};

async function answer({ url = '/' }: IncomingMessage) {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  const file = FILES[pathname];
  if (file !== undefined) return { status: 200, body: await readFile(file[0]), type: file[1] };
  const dashboard = DASHBOARDS[pathname.slice(1)];
  if (dashboard === undefined) {
    const body = `There is: ${Object.keys(DASHBOARDS).join(', ')}\n`;
    return { status: 404, body, type: 'text/plain' };
  }
  const variables = [...searchParams].filter(([name]) => name.startsWith('var-'));
  const chosen = Object.fromEntries(variables.map(([name, value]) => [name.slice(4), value]));
  const rangeSeconds = Number(searchParams.get('minutes') ?? 60) * 60;
  const body = await drawDashboard({ dashboard, api, chosen, rangeSeconds });
  return { status: 200, body, type: 'text/html' };
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const { status, body, type } = await answer(request);
    response.writeHead(status, { 'content-type': type }).end(body);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    response.writeHead(500, { 'content-type': 'text/plain' }).end(message);
  }
}

const server = createServer((request, response) => void respond(request, response));
server.listen(Number(port), '127.0.0.1');
await once(server, 'listening');
const address = server.address();
if (address === null || typeof address === 'string') throw new Error('Cannot listen: no port');
for (const file of Object.keys(DASHBOARDS)) console.log(`http://127.0.0.1:${address.port}/${file}`);

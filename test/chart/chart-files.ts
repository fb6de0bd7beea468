import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

export const CHART = join(import.meta.dirname, '../../deploy/helm/khan');
const VALUES = join(CHART, 'ci');

/** Names of the supported installations, each with its values. */
export const INSTALLATIONS: ReadonlyMap<string, string> = new Map(
  readdirSync(VALUES).map((file) => [basename(file, '-values.yaml'), join(VALUES, file)]),
);

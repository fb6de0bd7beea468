import { isRecord } from '../inventory/schema.ts';

/** What every object of the API server has. */
export interface ObjectMeta {
  readonly uid: string;
  /** `namespace/name`, or the name of an object without a namespace. */
  readonly key: string;
  readonly resourceVersion: string;
}

/** Throws an Error when the object is none of the API server's. */
export function objectMeta(object: unknown): ObjectMeta {
  const metadata = metadataOf(object);
  const { uid, name, namespace } = metadata;
  if (typeof uid !== 'string' || typeof name !== 'string') {
    throw new Error('Cannot use an object of the API server: it has no uid or no name');
  }
  const key = typeof namespace === 'string' ? `${namespace}/${name}` : name;
  return { uid, key, resourceVersion: resourceVersionOf(object) };
}

/** Also of lists and bookmarks. Throws an Error when there is none. */
export function resourceVersionOf(object: unknown): string {
  const { resourceVersion } = metadataOf(object);
  if (typeof resourceVersion === 'string' && resourceVersion !== '') return resourceVersion;
  throw new Error('Cannot use an answer of the API server: it has no resourceVersion');
}

/** The bookmark that ends the initial events of a watch-list carries an annotation. */
export function endsInitialEvents(bookmark: unknown): boolean {
  const { annotations } = metadataOf(bookmark);
  return isRecord(annotations) && annotations['k8s.io/initial-events-end'] === 'true';
}

export function metadataOf(object: unknown): Readonly<Record<string, unknown>> {
  const metadata = isRecord(object) ? object['metadata'] : undefined;
  return isRecord(metadata) ? metadata : {};
}

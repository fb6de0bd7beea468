/** A kind of object as the controller watches it. */
export interface Resource<Kept> {
  /** As the API server writes it, such as 'Pod'. */
  readonly kind: string;
  /** Of the collection, such as '/api/v1/pods'. */
  readonly path: string;
  /** The first that the server accepts is used; '' selects all. */
  readonly fieldSelectors: readonly string[];
  /** '' selects all. */
  readonly labelSelector: string;
  /**
   * What is kept of an object as it came from the API server; undefined when it owns nothing. As a
   * method, so that its parameter may be the object that the kind promises.
   */
  keep(object: unknown): Kept | undefined;
}

/** Where the objects of one kind go. */
export interface Sink<Kept> {
  put(uid: string, kept: Kept): void;
  remove(uid: string): void;
}

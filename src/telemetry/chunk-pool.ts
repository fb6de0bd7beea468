const CHUNK_BYTES = 512 * 1024;

/**
 * Memory for pages, used again for the next one. V8 counts what is allocated outside of its heap, and
 * a page of 30 MB makes it collect garbage, which takes several times as long as writing the page.
 */
export class ChunkPool {
  #free: Buffer[] = [];

  /** With room for this many bytes, or more. */
  take(bytesMin: number): Buffer {
    if (bytesMin > CHUNK_BYTES) return Buffer.allocUnsafeSlow(bytesMin);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  }

  /** All chunks of a page that nobody reads any more. What is free is no more than a page has taken. */
  give(chunks: readonly Buffer[]): void {
    const usable = chunks.filter(({ length }) => length === CHUNK_BYTES);
    this.#free = [...this.#free, ...usable].slice(0, Math.max(usable.length, 1));
  }
}

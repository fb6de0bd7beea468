const CHUNK_BYTES = 512 * 1024;

/**
 * Memory for pages, used again for the next one. V8 counts what is allocated outside of its heap, and
 * a page of 30 MB makes it collect garbage, which takes several times as long as writing the page.
 */
export class ChunkPool {
  #free: ArrayBufferLike[] = [];

  /** With room for this many bytes, or more. */
  take(bytesMin: number): Buffer {
    if (bytesMin > CHUNK_BYTES) return Buffer.allocUnsafeSlow(bytesMin);
    return Buffer.from(this.#free.pop() ?? new ArrayBuffer(CHUNK_BYTES));
  }

  /** Parts of chunks, one of each, that nobody reads any more. What is free is no more than was given at once. */
  give(pieces: readonly Uint8Array[]): void {
    const usable = pieces.flatMap(({ buffer }) =>
      buffer.byteLength === CHUNK_BYTES ? [buffer] : [],
    );
    this.#free = [...this.#free, ...usable].slice(0, Math.max(usable.length, 1));
  }
}

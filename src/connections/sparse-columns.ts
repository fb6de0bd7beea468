/** Rows in the first array of its values. */
const INITIAL_ROWS = 1024;

/** Numbers a row, of which most snapshots have none: they take memory with the first that is not 0. */
export class SparseColumns {
  readonly #columns: number;
  #values: Float64Array | undefined;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** No row has a value, or ever had one. */
  get isEmpty(): boolean {
    return this.#values === undefined;
  }

  clear(): void {
    this.#values?.fill(0);
  }

  /** Of the first `count` rows; what is missing at their end is 0. */
  bytes(count: number): Uint8Array {
    return bytesOf(this.#values ?? new Float64Array(), count * this.#columns);
  }

  load(bytes: Uint8Array | undefined, count: number): void {
    if (bytes === undefined) {
      this.clear();
      return;
    }
    const numbers = bytes.length / Float64Array.BYTES_PER_ELEMENT;
    if (!Number.isInteger(numbers) || numbers > count * this.#columns) {
      throw new Error(`Cannot load a column of ${count} rows from ${bytes.length} bytes`);
    }
    this.#values = new Float64Array(Math.max(numbers, INITIAL_ROWS * this.#columns));
    bytesOf(this.#values, numbers).set(bytes);
  }

  set(row: number, column: number, value: number): void {
    const columns = this.#columns;
    let values = this.#values ?? new Float64Array(INITIAL_ROWS * columns);
    if (row * columns >= values.length) {
      const larger = new Float64Array(Math.max((row + 1) * columns, values.length * 2));
      larger.set(values);
      values = larger;
    }
    values[row * columns + column] = value;
    this.#values = values;
  }

  copy(row: number, from: SparseColumns, fromRow: number): void {
    for (let column = 0; column < this.#columns; column++) {
      this.set(row, column, from.get(fromRow, column));
    }
  }

  get(row: number, column: number): number {
    return this.#values?.[row * this.#columns + column] ?? 0;
  }
}

export function bytesOf(numbers: Uint32Array | Float64Array, count: number): Uint8Array {
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT } = numbers;
  return new Uint8Array(buffer, byteOffset, Math.min(byteLength, count * BYTES_PER_ELEMENT));
}

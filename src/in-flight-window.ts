/** Bounds the bytes between a source and the sinks: counts batches sent and lets go of those that receipts name as taken. */
export class InFlightWindow {
  readonly #limit: number;
  readonly #sequences: number[] = [];
  readonly #sizes: number[] = [];
  #bytes = 0;

  /** `limit` in bytes; one batch larger than it still passes. */
  constructor(limit: number = DEFAULT_WINDOW_BYTES) {
    this.#limit = limit;
  }

  get full(): boolean {
    return this.#bytes >= this.#limit;
  }

  /** Batches on the way. */
  get size(): number {
    return this.#sequences.length;
  }

  add(batch: { readonly sequence: number; readonly bytes: number }): void {
    this.#sequences.push(batch.sequence);
    this.#sizes.push(batch.bytes);
    this.#bytes += batch.bytes;
  }

  /** Lets go of every batch up to and including `taken`. */
  release(taken: number): void {
    while (this.#sequences.length > 0 && this.#sequences[0]! <= taken) {
      this.#sequences.shift();
      this.#bytes -= this.#sizes.shift()!;
    }
  }
}

/** Large enough to keep both ends of a local link busy, small enough for many tables at once. */
export const DEFAULT_WINDOW_BYTES = 8 * 1024 * 1024;

/** Where rows lie in a buffer, as arrays that grow and are used again for the next buffer. */
export class RowPositions {
  /** Offset of each row's first byte. Longer than `count`. */
  starts: Uint32Array;
  /** Offset after each row's last byte. Longer than `count`. */
  ends: Uint32Array;
  /** How many rows are in the arrays. */
  count = 0;

  /** @param capacity rows to make room for at first */
  constructor(capacity = 1024) {
    this.starts = new Uint32Array(Math.max(1, capacity));
    this.ends = new Uint32Array(Math.max(1, capacity));
  }

  clear(): void {
    this.count = 0;
  }

  push(start: number, end: number): void {
    if (this.count === this.starts.length) this.#grow();
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.count += 1;
  }

  #grow(): void {
    const starts = new Uint32Array(this.starts.length * 2);
    const ends = new Uint32Array(this.ends.length * 2);
    starts.set(this.starts);
    ends.set(this.ends);
    this.starts = starts;
    this.ends = ends;
  }
}

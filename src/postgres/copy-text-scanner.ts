import { ReshardError } from "../errors.js";
import type { RowPositions } from "./copy-row-positions.js";
import { BACKSLASH, LINE_FEED } from "./copy-text.js";

export interface TextRowScannerOptions {
  /** Named in errors. */
  readonly table?: string;
}

const DOT = 0x2e;

/**
 * Finds the rows in the output of `COPY … TO STDOUT (FORMAT text)`, however it comes cut into pieces, without copying any
 * of it. A row reaches from its first byte to behind its line feed, so that rows laid together are a COPY again.
 *
 * ```
 * piece 1  |row\n row\n ro        scan → 2 rows, consumed up to "ro"
 * piece 2               |w\n row\n  the caller puts "ro" in front of the next piece
 * ```
 *
 * Fields are not counted: the shard that the rows are copied into does that.
 */
export class TextRowScanner {
  readonly #table: string | undefined;
  #finished = false;
  #rows = 0;
  /** So many bytes behind the last row have been looked at and hold no end of a row. */
  #searched = 0;

  constructor(options: TextRowScannerOptions = {}) {
    this.#table = options.table;
  }

  /** Rows found so far. */
  get rows(): number {
    return this.#rows;
  }

  /**
   * Appends the positions of the rows that lie whole in `buffer` from `start` to `end` (exclusive) to `rows`.
   * @returns the offset of the first byte not consumed. The bytes from there must come again, in front of the next.
   * @throws ReshardError COPY_MALFORMED
   */
  scan(buffer: Buffer, start: number, end: number, rows: RowPositions): number {
    let row = start;
    let from = start + this.#searched;
    this.#searched = 0;
    while (!this.#finished && row < end) {
      const feed = buffer.indexOf(LINE_FEED, from);
      if (feed < 0 || feed >= end) {
        this.#searched = end - row;
        return row;
      }
      from = feed + 1;
      if (isEscaped(buffer, row, feed)) continue;
      // Old clients ended their data so; a server does not, and escapes the backslash of a value that looks like it.
      if (feed - row === 2 && buffer[row] === BACKSLASH && buffer[row + 1] === DOT) this.#finished = true;
      else {
        rows.push(row, from);
        this.#rows++;
      }
      row = from;
    }
    if (this.#finished && row < end) throw this.#malformed(`${end - row} bytes follow the end mark`);
    return row;
  }

  /**
   * To be called at the end of the stream.
   * @throws ReshardError COPY_MALFORMED where it ended within a row
   */
  finish(): void {
    if (this.#searched === 0) return;
    throw new ReshardError("COPY_MALFORMED", `The copied rows${this.#ofTable()} end within a row, after row ${this.#rows}.`, {
      kind: "retry",
      remedy: "The server stopped sending in the middle: see its log. The table is copied again.",
      place: this.#place(),
    });
  }

  #malformed(what: string): ReshardError {
    return new ReshardError("COPY_MALFORMED", `${what}, after row ${this.#rows} of the copied rows${this.#ofTable()}.`, {
      kind: "defect",
      remedy: "The server's output is not COPY's text format, or pg-reshard misread it. Nothing of it was committed; please report it with the server's version.",
      place: this.#place(),
    });
  }

  #ofTable(): string {
    return this.#table === undefined ? "" : ` of ${this.#table}`;
  }

  #place(): { readonly table?: string } {
    return this.#table === undefined ? {} : { table: this.#table };
  }
}

/** An odd number of backslashes before the line feed makes it part of a value. */
function isEscaped(buffer: Buffer, row: number, feed: number): boolean {
  let first = feed;
  while (first > row && buffer[first - 1] === BACKSLASH) first--;
  return ((feed - first) & 1) === 1;
}

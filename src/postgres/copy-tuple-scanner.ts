import { ReshardError } from "../errors.js";
import { COPY_END, COPY_SIGNATURE } from "./copy-binary.js";
import type { RowPositions } from "./copy-row-positions.js";

/** Signature, flags, length of the extension. */
const FIXED_HEADER = COPY_SIGNATURE.length + 8;
/** Flag bits that a reader must know to go on; bit 16 marks rows with OIDs, the others mean nothing yet. */
const CRITICAL_FLAGS = 0xffff0000;
const FLAG_OIDS = 0x00010000;

export interface TupleScannerOptions {
  /** Fields that each row must have; unchecked where absent. */
  readonly columns?: number;
  /** Named in errors. */
  readonly table?: string;
}

/**
 * Finds the rows in the output of `COPY … TO STDOUT (FORMAT binary)`, however it comes cut into pieces, without
 * copying any of it.
 *
 * ```
 * piece 1  |header|row|row|ro        scan → 2 rows, consumed up to "ro"
 * piece 2                 |row|row|  the caller puts "ro" in front of the next piece
 * ```
 */
export class TupleScanner {
  readonly #columns: number;
  readonly #table: string | undefined;
  #state: "header" | "rows" | "finished" = "header";
  #rows = 0;
  #missing = 0;

  constructor(options: TupleScannerOptions = {}) {
    this.#columns = options.columns ?? -1;
    this.#table = options.table;
  }

  /** The trailer has been read: nothing may follow. */
  get finished(): boolean {
    return this.#state === "finished";
  }

  /** Rows found so far. */
  get rows(): number {
    return this.#rows;
  }

  /**
   * After a scan: at least so many bytes more are needed behind those not consumed before anything more can be found
   * (0 where everything was consumed). A row larger than a piece is thus not scanned again for each of its pieces.
   */
  get missing(): number {
    return this.#missing;
  }

  /**
   * Appends the positions of the rows that lie whole in `buffer` from `start` to `end` (exclusive) to `rows`.
   * @returns the offset of the first byte not consumed. The bytes from there must come again, in front of the next.
   * @throws ReshardError COPY_MALFORMED
   */
  scan(buffer: Buffer, start: number, end: number, rows: RowPositions): number {
    this.#missing = 0;
    let offset = start;
    if (this.#state === "header") {
      offset = this.#scanHeader(buffer, start, end);
      if (offset === start) return start;
    }
    if (this.#state === "rows") offset = this.#scanRows(buffer, offset, end, rows);
    if (this.#state === "finished" && offset < end) throw this.#malformed(`${end - offset} bytes follow the end mark`);
    return offset;
  }

  /**
   * To be called at the end of the stream.
   * @throws ReshardError COPY_MALFORMED where it ended before the trailer
   */
  finish(): void {
    if (this.#state === "finished") return;
    throw new ReshardError("COPY_MALFORMED", `The copied rows${this.#ofTable()} end without their end mark, after row ${this.#rows}.`, {
      kind: "retry",
      remedy: "The server stopped sending in the middle: see its log. The table is copied again.",
      place: this.#place(),
    });
  }

  #scanHeader(buffer: Buffer, start: number, end: number): number {
    const available = end - start;
    const compared = Math.min(available, COPY_SIGNATURE.length);
    if (buffer.compare(COPY_SIGNATURE, 0, compared, start, start + compared) !== 0) throw this.#malformed("The signature of binary COPY is missing");
    if (available < FIXED_HEADER) {
      this.#missing = FIXED_HEADER - available;
      return start;
    }
    const flags = buffer.readUInt32BE(start + COPY_SIGNATURE.length);
    if ((flags & FLAG_OIDS) !== 0) throw this.#malformed("The rows carry OIDs (a server older than PostgreSQL 12)");
    if ((flags & CRITICAL_FLAGS) !== 0) throw this.#malformed(`The header has unknown critical flags (0x${flags.toString(16)})`);
    const extension = buffer.readInt32BE(start + FIXED_HEADER - 4);
    if (extension < 0) throw this.#malformed(`The header's extension is said to have ${extension} bytes`);
    if (available < FIXED_HEADER + extension) {
      this.#missing = FIXED_HEADER + extension - available;
      return start;
    }
    this.#state = "rows";
    return start + FIXED_HEADER + extension;
  }

  #scanRows(buffer: Buffer, start: number, end: number, rows: RowPositions): number {
    const expected = this.#columns;
    let offset = start;
    let found = 0;
    for (;;) {
      if (end - offset < 2) {
        this.#missing = offset === end ? 0 : 1;
        break;
      }
      const columns = (buffer[offset]! << 8) | buffer[offset + 1]!;
      if (columns === COPY_END) {
        this.#state = "finished";
        offset += 2;
        break;
      }
      if (columns > 0x7fff || (expected >= 0 && columns !== expected)) {
        this.#rows += found;
        throw this.#malformed(`A row has ${columns} fields${expected >= 0 ? ` instead of ${expected}` : ""}`);
      }
      let position = offset + 2;
      let column = 0;
      while (column < columns && end - position >= 4) {
        const length = (buffer[position]! << 24) | (buffer[position + 1]! << 16) | (buffer[position + 2]! << 8) | buffer[position + 3]!;
        position += 4;
        column += 1;
        if (length > 0) position += length;
        else if (length < -1) {
          this.#rows += found;
          throw this.#malformed(`Field ${column} is said to have ${length} bytes`);
        }
      }
      if (column < columns || position > end) {
        this.#missing = position + 4 * (columns - column) - end;
        break;
      }
      rows.push(offset, position);
      found += 1;
      offset = position;
    }
    this.#rows += found;
    return offset;
  }

  #malformed(what: string): ReshardError {
    return new ReshardError("COPY_MALFORMED", `${what}, after row ${this.#rows} of the copied rows${this.#ofTable()}.`, {
      kind: "defect",
      remedy: "The server's output is not binary COPY, or pg-reshard misread it. Nothing of it was committed; please report it with the server's version.",
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

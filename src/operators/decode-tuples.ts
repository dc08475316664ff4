import { defer, map } from "rxjs";
import type { Operator } from "../flow.js";
import { type RowScanner, rowScanner } from "../postgres/copy-format.js";
import { RowPositions } from "../postgres/copy-row-positions.js";
import type { TupleScannerOptions } from "../postgres/copy-tuple-scanner.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { CopyBatch, RowBatch } from "../row-batch.js";

export interface DecodeTuplesOptions extends TupleScannerOptions {
  /** Binary where absent. */
  readonly format?: ValueFormat;
}

/**
 * Finds the rows in a COPY, however its bytes were cut. A server sends one row a message, and then nothing is
 * copied; a row that spans pieces is put together behind the batch's bytes.
 *
 * ```
 * in   [header row row ro][w row][row end]
 * out  [row row]          [row row][row]
 * ```
 *
 * @example
 * run(copyTable({ server, table, applicationName }), decodeTuples({ columns: 3, table: "orders" }), sink)
 */
export function decodeTuples(options: DecodeTuplesOptions = {}): Operator<CopyBatch, RowBatch> {
  return (batches$) =>
    defer(() => {
      const decoder = new TupleDecoder(options);
      return batches$.pipe(map((batch) => decoder.decode(batch)));
    });
}

class TupleDecoder {
  readonly #scanner: RowScanner;
  /** The beginning of a row whose rest is still to come. */
  #tail: Buffer | undefined;
  #expected = 0;

  constructor(options: DecodeTuplesOptions) {
    this.#scanner = rowScanner(options.format ?? "binary", options);
  }

  decode(batch: CopyBatch): RowBatch {
    // A server sends a row a piece; pieces of a file hold about as many rows as the one before.
    const rows = new RowPositions(Math.max(batch.count, this.#expected) + 16);
    let buffer = batch.buffer;
    let piece = 0;
    if (this.#tail === undefined) {
      for (; piece < batch.count; piece++) {
        const end = batch.ends[piece]!;
        const consumed = this.#scanner.scan(buffer, batch.starts[piece]!, end, rows);
        if (consumed < end) {
          this.#tail = Buffer.from(buffer.subarray(consumed, end));
          piece++;
          break;
        }
      }
    }
    if (this.#tail !== undefined && piece < batch.count) {
      // Rows found before stay where they are; without any there is nothing to keep.
      const kept = rows.count === 0 ? Buffer.alloc(0) : buffer;
      const joined = [kept, this.#tail];
      for (; piece < batch.count; piece++) joined.push(buffer.subarray(batch.starts[piece], batch.ends[piece]));
      const start = kept.length;
      buffer = Buffer.concat(joined);
      const consumed = this.#scanner.scan(buffer, start, buffer.length, rows);
      this.#tail = consumed < buffer.length ? Buffer.from(buffer.subarray(consumed)) : undefined;
    }
    if (batch.resume !== undefined) this.#scanner.finish();
    this.#expected = rows.count;
    return {
      sequence: batch.sequence,
      bytes: buffer.length,
      ...(batch.resume === undefined ? {} : { resume: batch.resume }),
      buffer,
      count: rows.count,
      starts: rows.starts,
      ends: rows.ends,
    };
  }
}

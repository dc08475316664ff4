import { COLUMN_BINARY, COLUMN_NULL, COLUMN_TEXT, COLUMN_UNCHANGED } from "../postgres/pgoutput-tuple.js";
import type { TableBatch } from "../table-batch.js";

const NULL_COLUMN = Buffer.from([COLUMN_NULL]);
const UNCHANGED_COLUMN = Buffer.from([COLUMN_UNCHANGED]);

/** Writes rows as TupleData behind the bytes of a batch of changes. */
export class TupleWriter {
  readonly #pieces: Buffer[];
  #end: number;

  constructor(buffer: Buffer) {
    this.#pieces = [buffer];
    this.#end = buffer.length;
  }

  /** Where the tuple of a row begins. */
  write(batch: TableBatch, row: number): number {
    const { columns } = batch.table;
    const start = this.#end;
    const head = Buffer.allocUnsafe(2);
    head.writeInt16BE(columns.length);
    this.#push(head);
    for (const { name } of columns) {
      const column = batch.column(name);
      const bytes = column.bytes(row);
      if (bytes === null || bytes === undefined) {
        this.#push(bytes === null ? NULL_COLUMN : UNCHANGED_COLUMN);
        continue;
      }
      const field = Buffer.allocUnsafe(5);
      field[0] = column.format(row) === "text" ? COLUMN_TEXT : COLUMN_BINARY;
      field.writeInt32BE(bytes.length, 1);
      this.#push(field);
      this.#push(bytes);
    }
    return start;
  }

  /** The batch's bytes, and all tuples behind them. */
  buffer(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  #push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#end += piece.length;
  }
}

import { defect } from "../errors.js";
import { locateRows } from "../operators/locate-values.js";
import { encodeTuple, fieldAt } from "../postgres/copy-binary.js";
import { encodeTextField } from "../postgres/encode-text-field.js";
import type { Lsn } from "../postgres/lsn.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch, RowPart } from "../row-batch.js";
import { NULL_VALUE } from "../value-column.js";
import { bytesOf, type TestRow, textOf } from "./test-rows.js";
import type { TestTable } from "./test-table.js";

/** Bytes that belong to nobody lie between the rows: who reads a batch has to keep to them. */
const GAP = Buffer.alloc(3, 0xee);

/** Where rows that a COPY brings are done with. */
export const END_OF_COPY: Lsn = 9n;

/** Rows as a COPY brings them, `perBatch` at a time (the last of the numbers for all that follow); the last batch ends the copy. */
export function rowBatches(table: TestTable, rows: readonly TestRow[], { format, perBatch = [] }: { readonly format: ValueFormat; readonly perBatch?: readonly number[] }): RowBatch[] {
  const batches: RowBatch[] = [];
  let next = 0;
  do {
    const size = perBatch[Math.min(batches.length, perBatch.length - 1)] ?? rows.length;
    const own = rows.slice(next, next + size);
    next += size;
    const encoded = own.map((row) => encodeRow(table, row, format));
    const starts = new Uint32Array(own.length);
    const ends = new Uint32Array(own.length);
    let end = 0;
    encoded.forEach((bytes, index) => {
      starts[index] = end + GAP.length;
      end += GAP.length + bytes.length;
      ends[index] = end;
    });
    const buffer = Buffer.concat(encoded.flatMap((bytes) => [GAP, bytes]));
    batches.push({ sequence: batches.length, bytes: buffer.length, ...(next >= rows.length ? { resume: END_OF_COPY } : {}), buffer, count: own.length, starts, ends });
  } while (next < rows.length);
  return batches;
}

/** A row in COPY's own form. */
export function encodeRow(table: TestTable, row: TestRow, format: ValueFormat): Buffer {
  const values = row.map((text, place) => (text === null ? null : bytesOf(table.columns[place]!, text, format)));
  if (format === "binary") return encodeTuple(values);
  return Buffer.concat([...values.flatMap((value, place) => [Buffer.from(place === 0 ? "" : "\t"), value === null ? Buffer.from("\\N") : encodeTextField(value)]), Buffer.from("\n")]);
}

/** The rows of a batch. */
export function rowsOfBatch(table: TestTable, batch: RowBatch, format: ValueFormat): TestRow[] {
  const width = table.columns.length;
  const { buffer, offsets, lengths } = locateRows(batch, width, format);
  return Array.from({ length: batch.count }, (_, row) => table.columns.map((column, place) => {
    const at = row * width + place;
    return lengths[at] === NULL_VALUE ? null : textOf(column, buffer.subarray(offsets[at], offsets[at]! + lengths[at]!), format);
  }));
}

/** The rows of a part that a shard is to write: they lie one behind the other, and nothing between them. */
export function rowsOfPart(table: TestTable, { part, rows, ...batch }: RowPart, format: ValueFormat): TestRow[] {
  const starts = new Uint32Array(rows);
  const ends = new Uint32Array(rows);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    starts[row] = at;
    at = format === "binary" ? fieldAt(part, at, table.columns.length) : part.indexOf("\n", at) + 1;
    ends[row] = at;
  }
  if (at !== part.length) throw defect(`${rows} rows of ${table.name} end at byte ${at} of ${part.length}`);
  return rowsOfBatch(table, { ...batch, buffer: part, count: rows, starts, ends }, format);
}

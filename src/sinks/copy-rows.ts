import type { RowSet } from "../apply-step.js";
import { defect } from "../errors.js";
import { encodeCopyHeader, encodeCopyTrailer } from "../postgres/copy-binary.js";
import { COLUMN_BINARY, COLUMN_NULL } from "../postgres/pgoutput-tuple.js";
import { writeWidened } from "../postgres/widen-integer.js";
import { writeNarrowedValue } from "./narrowed-value.js";
import type { RowType } from "./row-array.js";

const HEADER = encodeCopyHeader();
const TRAILER = encodeCopyTrailer();
/** Up to here a loop is faster than a call of `copy`. */
const SHORT_VALUE_BYTES = 32;

/**
 * Whole rows as binary COPY (commands/copyfromparse.c): for each an Int16 count, and for each value its length and
 * bytes, as they stand in the messages that they came in; widened or narrowed where the shard's column is.
 *
 * @param columns places of the columns to write, in the order of the COPY's column list
 */
export function encodeCopyRows(rows: RowSet, type: RowType, columns: readonly number[]): Buffer {
  const { buffer, offsets } = rows;
  const width = rows.relation.columns.length;
  let size = HEADER.length + TRAILER.length + rows.count * (2 + 4 * columns.length);
  for (let row = 0; row < rows.count; row++) {
    for (const column of columns) {
      const at = offsets[row * width + column]!;
      if (buffer[at] !== COLUMN_NULL) size += type.attributes[column]!.widened ? 8 : readLength(buffer, at + 1);
    }
  }
  // What is narrowed takes less.
  const data = Buffer.allocUnsafe(size);
  let to = HEADER.copy(data);
  for (let row = 0; row < rows.count; row++) {
    to = data.writeInt16BE(columns.length, to);
    for (const column of columns) {
      const at = offsets[row * width + column]!;
      const kind = buffer[at];
      if (kind === COLUMN_NULL) {
        to = data.writeInt32BE(-1, to);
        continue;
      }
      if (kind !== COLUMN_BINARY) throw defect(`column ${rows.relation.columns[column]!.name} did not come in binary`);
      if (type.attributes[column]!.widened) {
        to = writeWidened(data, data.writeInt32BE(8, to), buffer, at + 5, readLength(buffer, at + 1));
        continue;
      }
      const { name, narrowedTo } = type.attributes[column]!;
      if (narrowedTo !== 0) {
        to = writeNarrowedValue(data, to, buffer, at + 5, readLength(buffer, at + 1), narrowedTo, name, rows.relation);
        continue;
      }
      // The length stands before the bytes here as it does there.
      const end = at + 5 + readLength(buffer, at + 1);
      if (end - at <= SHORT_VALUE_BYTES) for (let from = at + 1; from < end; from++) data[to++] = buffer[from]!;
      else {
        buffer.copy(data, to, at + 1, end);
        to += end - at - 1;
      }
    }
  }
  to += TRAILER.copy(data, to);
  return to === size ? data : data.subarray(0, to);
}

function readLength(buffer: Buffer, at: number): number {
  return (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!;
}

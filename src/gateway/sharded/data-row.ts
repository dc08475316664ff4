import { dataRow } from "../../wire/backend-messages.js";
import { HEADER_BYTES, type Message, protocolViolation } from "../../wire/message.js";

/** Int16 count of columns before the first. */
const FIRST_COLUMN = HEADER_BYTES + 2;

/** How many columns a DataRow has. */
export function columnCount(row: Buffer): number {
  return row.readUInt16BE(HEADER_BYTES);
}

/** Where the length word of a column (from 0) stands; of the column behind the last: the row's end. */
export function columnPosition(row: Buffer, column: number): number {
  let position = FIRST_COLUMN;
  for (let before = 0; before < column; before++) {
    const length = row.readInt32BE(position);
    position += length > 0 ? 4 + length : 4;
  }
  if (position > row.length) throw protocolViolation("invalid DataRow");
  return position;
}

/** A column's value, as a view; null is NULL. */
export function columnValue(row: Buffer, column: number): Buffer | null {
  const position = columnPosition(row, column);
  const length = row.readInt32BE(position);
  return length < 0 ? null : row.subarray(position + 4, position + 4 + length);
}

/** The row without its last columns. */
export function withoutLastColumns(row: Buffer, count: number): Buffer {
  if (count === 0) return row;
  const columns = columnCount(row) - count;
  const end = columnPosition(row, columns);
  const shorter = Buffer.from(row.subarray(0, end));
  shorter.writeInt32BE(end - 1, 1);
  shorter.writeUInt16BE(columns, HEADER_BYTES);
  return shorter;
}

/** One row out of the columns of several. */
export function rowOf(values: readonly (Buffer | null)[]): Buffer {
  return dataRow(values);
}

/** The last columns of a row, `count` of them. */
export function lastColumns(message: Message, count: number): (Buffer | null)[] {
  const columns = columnCount(message.bytes);
  let position = columnPosition(message.bytes, columns - count);
  return Array.from({ length: count }, () => {
    const length = message.bytes.readInt32BE(position);
    const start = position + 4;
    position = start + Math.max(0, length);
    return length < 0 ? null : message.bytes.subarray(start, position);
  });
}

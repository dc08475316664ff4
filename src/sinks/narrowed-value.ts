import { ReshardError } from "../errors.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import { textFits, writeNarrowed } from "../postgres/narrow-integer.js";

/**
 * Writes the int8 of `length` bytes at `from` with its length before it; returns the offset after it. A value that does
 * not fit is never cut: VALUE_TOO_LARGE. Called for every value: no objects are made for it.
 *
 * @param bytes of the destination's type
 * @param column its name
 */
export function writeNarrowedValue(target: Buffer, to: number, source: Buffer, from: number, length: number, bytes: 2 | 4, column: string, table: TableName): number {
  const end = writeNarrowed(target, target.writeInt32BE(bytes, to), source, from, length, bytes);
  if (end < 0) throw valueTooLarge(table, column, bytes, source.readBigInt64BE(from).toString());
  return end;
}

/** The same of a value that comes as text, and stays so. */
export function checkNarrowedText(source: Buffer, from: number, length: number, bytes: 2 | 4, column: string, table: TableName): void {
  const text = source.toString("latin1", from, from + length);
  if (!textFits(text, bytes)) throw valueTooLarge(table, column, bytes, text);
}

function valueTooLarge(table: TableName, column: string, bytes: 2 | 4, value: string): ReshardError {
  const shown = displayName(table);
  const type = bytes === 2 ? "smallint" : "integer";
  return new ReshardError("VALUE_TOO_LARGE", `${shown}.${column} is ${type} on the destination and cannot hold ${value}, which its source has as bigint.`, {
    place: { table: shown },
    remedy: "Make the column bigint on the destination (ALTER TABLE … ALTER COLUMN … TYPE bigint, with the columns that refer to it), or change the value on the source, and start again: nothing was acknowledged past it.",
  });
}

import { ReshardError } from "../errors.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import { textFits, writeNarrowed } from "../postgres/narrow-integer.js";

/** A column that is smaller on the destination than the bigint that comes. */
export interface NarrowedColumn {
  readonly name: string;
  /** Of the destination's type. */
  readonly narrowedTo: 2 | 4;
}

/**
 * Writes the int8 of `length` bytes at `from` with its length before it; returns the offset after it. A value that does
 * not fit is never cut: VALUE_TOO_LARGE.
 */
export function writeNarrowedValue(target: Buffer, to: number, source: Buffer, from: number, length: number, column: NarrowedColumn, table: TableName): number {
  const end = writeNarrowed(target, target.writeInt32BE(column.narrowedTo, to), source, from, length, column.narrowedTo);
  if (end < 0) throw valueTooLarge(table, column, source.readBigInt64BE(from).toString());
  return end;
}

/** The same of a value that comes as text, and stays so. */
export function checkNarrowedText(source: Buffer, from: number, length: number, column: NarrowedColumn, table: TableName): void {
  const text = source.toString("latin1", from, from + length);
  if (!textFits(text, column.narrowedTo)) throw valueTooLarge(table, column, text);
}

function valueTooLarge(table: TableName, { name, narrowedTo }: NarrowedColumn, value: string): ReshardError {
  const shown = displayName(table);
  const type = narrowedTo === 2 ? "smallint" : "integer";
  return new ReshardError("VALUE_TOO_LARGE", `${shown}.${name} is ${type} on the destination and cannot hold ${value}, which its source has as bigint.`, {
    place: { table: shown },
    remedy: "Make the column bigint on the destination (ALTER TABLE … ALTER COLUMN … TYPE bigint, with the columns that refer to it), or change the value on the source, and start again: nothing was acknowledged past it.",
  });
}

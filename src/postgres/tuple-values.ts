import { COLUMN_NULL, COLUMN_UNCHANGED } from "./pgoutput-tuple.js";

/** In place of an offset: a value that a row does not carry, unchanged TOAST or a column that is not part of a key. */
export const ABSENT = -1;

/** Bytes of the value whose kind byte is at `at`, that byte and the length included. */
export function valueBytes(buffer: Buffer, at: number): number {
  const kind = buffer[at]!;
  return kind === COLUMN_NULL || kind === COLUMN_UNCHANGED ? 1 : 5 + buffer.readInt32BE(at + 1);
}

/** Notes where each value of the TupleData at `tuple` begins (its kind byte); unchanged TOAST is `ABSENT`. @param into as long as the tuple has columns */
export function locateTuple(buffer: Buffer, tuple: number, into: Int32Array): void {
  let at = tuple + 2; // behind the number of columns
  for (let column = 0; column < into.length; column++) {
    into[column] = buffer[at] === COLUMN_UNCHANGED ? ABSENT : at;
    at += valueBytes(buffer, at);
  }
}

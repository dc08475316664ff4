import { ReshardError } from "../errors.js";

/*
 * A TupleData is an Int16 column count, then for each column one byte of kind and, for text and binary values, an
 * Int32 length and that many bytes (`logicalrep_write_tuple`, replication/logical/proto.c).
 */

/** `n`: NULL. */
export const COLUMN_NULL = 0x6e;
/** `u`: an out-of-line (TOAST) value that did not change and is not sent. */
export const COLUMN_UNCHANGED = 0x75;
/** `t`: the type's text form. */
export const COLUMN_TEXT = 0x74;
/** `b`: the type's binary send form. */
export const COLUMN_BINARY = 0x62;

/**
 * The offset right after the TupleData at `offset`.
 * @throws ReshardError PGOUTPUT_MALFORMED where it does not end at or before `end`
 */
export function skipTuple(buffer: Buffer, offset: number, end: number = buffer.length): number {
  if (end - offset < 2) throw malformedPgoutput("A row ends within its column count", offset);
  const columns = (buffer[offset]! << 8) | buffer[offset + 1]!;
  let position = offset + 2;
  for (let column = 0; column < columns; column += 1) {
    if (position >= end) throw malformedPgoutput(`A row of ${columns} columns ends before column ${column + 1}`, position);
    const kind = buffer[position]!;
    position += 1;
    if (kind === COLUMN_BINARY || kind === COLUMN_TEXT) {
      if (end - position < 4) throw malformedPgoutput(`A row ends within the length of column ${column + 1}`, position);
      const length = buffer.readInt32BE(position);
      position += 4;
      if (length < 0 || length > end - position) {
        throw malformedPgoutput(`Column ${column + 1} of a row is said to have ${length} bytes, but ${end - position} are left`, position);
      }
      position += length;
    } else if (kind !== COLUMN_NULL && kind !== COLUMN_UNCHANGED) {
      throw malformedPgoutput(`Column ${column + 1} of a row is of the unknown kind ${kind}`, position - 1);
    }
  }
  return position;
}

/** `what` without a full stop; `position` in the buffer. */
export function malformedPgoutput(what: string, position: number): ReshardError {
  return new ReshardError("PGOUTPUT_MALFORMED", `${what} (byte ${position} of the buffer).`, {
    kind: "defect",
    remedy:
      "The replication stream does not follow pgoutput's protocol, or pg-reshard misread it. Nothing was acknowledged past it; please report it with the server's version.",
  });
}

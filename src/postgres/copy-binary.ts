/*
 * The binary COPY format (PostgreSQL manual, "COPY", "Binary Format"; commands/copyto.c): a header, then for each row
 * an Int16 field count and for each field an Int32 length (-1: NULL) and that many bytes, then Int16 -1.
 */

/** What every binary COPY file begins with: `PGCOPY\n\377\r\n\0`. */
export const COPY_SIGNATURE: Buffer = Buffer.from("PGCOPY\n\xff\r\n\0", "latin1");

/** Stands where the next row's field count would. */
export const COPY_END = 0xffff;

/** Signature, flags (none), length of the header's extension (0). */
export function encodeCopyHeader(): Buffer {
  return Buffer.concat([COPY_SIGNATURE, Buffer.alloc(8)]);
}

export function encodeCopyTrailer(): Buffer {
  return Buffer.from([COPY_END >> 8, COPY_END & 0xff]);
}

/** One row out of its fields in binary send form; null is NULL. For tests and for few rows: it copies every value. */
export function encodeTuple(fields: readonly (Buffer | null)[]): Buffer {
  let length = 2;
  for (const field of fields) length += 4 + (field?.length ?? 0);
  const tuple = Buffer.allocUnsafe(length);
  let position = tuple.writeInt16BE(fields.length, 0);
  for (const field of fields) {
    position = tuple.writeInt32BE(field?.length ?? -1, position);
    if (field !== null) position += field.copy(tuple, position);
  }
  return tuple;
}

/** How many fields the row at `tupleStart` has. */
export function fieldCount(buffer: Buffer, tupleStart: number): number {
  return (buffer[tupleStart]! << 8) | buffer[tupleStart + 1]!;
}

/**
 * The offset of the length word of field `column` (from 0) of the row at `tupleStart`; the value's bytes begin 4
 * after it. Checks nothing: the row must have been found by a `TupleScanner` and have that many fields.
 */
export function fieldAt(buffer: Buffer, tupleStart: number, column: number): number {
  let position = tupleStart + 2;
  for (let before = 0; before < column; before += 1) {
    const length = fieldLength(buffer, position);
    position += length > 0 ? 4 + length : 4;
  }
  return position;
}

/** The length that stands at `position`, -1 for NULL. */
export function fieldLength(buffer: Buffer, position: number): number {
  return (buffer[position]! << 24) | (buffer[position + 1]! << 16) | (buffer[position + 2]! << 8) | buffer[position + 3]!;
}

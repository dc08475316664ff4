import type { RowSet } from "../apply-step.js";
import { defect } from "../errors.js";
import { COLUMN_BINARY, COLUMN_NULL, COLUMN_TEXT } from "../postgres/pgoutput-tuple.js";
import { ABSENT } from "../postgres/tuple-values.js";
import { writeWidened } from "../postgres/widen-integer.js";
import { checkNarrowedText, writeNarrowedValue } from "./narrowed-value.js";

/** How a row travels to a shard: the composite type and what each of its attributes is there. */
export interface RowType {
  /** OID of the composite type. */
  readonly oid: number;
  readonly attributes: readonly {
    readonly typeOid: number;
    /** The values come as text, and so is the attribute. */
    readonly asText: boolean;
    /** An int2 or int4 comes, the attribute is an int8. */
    readonly widened: boolean;
    /** An int8 comes, the attribute (or what its text is read as) has so many bytes; 0 where that is not so. */
    readonly narrowedTo: 0 | 2 | 4;
    readonly name: string;
  }[];
}

/**
 * Rows as one value of type `composite[]` in binary send format, for `unnest`. One array of rows rather than an array
 * for each column: it is filled row by row from the messages' bytes, and columns that are arrays themselves, which
 * `unnest` would flatten, pass through it whole.
 *
 * The layout is that of `array_recv` (utils/adt/arrayfuncs.c) with elements as `record_recv` (utils/adt/rowtypes.c)
 * reads them. Absent values are NULL.
 */
export function encodeRowArray(rows: RowSet, type: RowType, only?: readonly number[]): Buffer {
  const { buffer, offsets } = rows;
  const width = type.attributes.length;
  const count = only?.length ?? rows.count;
  let size = ARRAY_HEADER_BYTES + count * (8 + 8 * width);
  for (let row = 0; row < count; row++) {
    const base = (only === undefined ? row : only[row]!) * width;
    for (let column = 0; column < width; column++) {
      const at = offsets[base + column]!;
      if (at !== ABSENT && buffer[at] !== COLUMN_NULL) size += type.attributes[column]!.widened ? 8 : readLength(buffer, at + 1);
    }
  }
  // What is narrowed takes less.
  const array = Buffer.allocUnsafe(size);
  array.writeInt32BE(1, 0); // dimensions
  array.writeInt32BE(0, 4); // no NULL elements
  array.writeUInt32BE(type.oid, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16); // lower bound
  let to = ARRAY_HEADER_BYTES;
  for (let row = 0; row < count; row++) {
    const base = (only === undefined ? row : only[row]!) * width;
    const start = to;
    to = array.writeInt32BE(width, to + 4);
    for (let column = 0; column < width; column++) {
      const attribute = type.attributes[column]!;
      to = array.writeUInt32BE(attribute.typeOid, to);
      const at = offsets[base + column]!;
      const kind = at === ABSENT ? COLUMN_NULL : buffer[at]!;
      if (kind === COLUMN_NULL) {
        to = array.writeInt32BE(-1, to);
        continue;
      }
      if (kind !== (attribute.asText ? COLUMN_TEXT : COLUMN_BINARY)) {
        throw defect(`column ${attribute.name} came ${kind === COLUMN_TEXT ? "as text" : "in binary"}, which its type on the shard does not take`);
      }
      if (attribute.widened) {
        to = writeWidened(array, array.writeInt32BE(8, to), buffer, at + 5, readLength(buffer, at + 1));
        continue;
      }
      if (attribute.narrowedTo !== 0) {
        if (!attribute.asText) {
          to = writeNarrowedValue(array, to, buffer, at + 5, readLength(buffer, at + 1), attribute.narrowedTo, attribute.name, rows.relation);
          continue;
        }
        checkNarrowedText(buffer, at + 5, readLength(buffer, at + 1), attribute.narrowedTo, attribute.name, rows.relation);
      }
      // The length stands before the bytes here as it does there.
      const end = at + 5 + readLength(buffer, at + 1);
      if (end - at <= SHORT_VALUE_BYTES) for (let from = at + 1; from < end; from++) array[to++] = buffer[from]!;
      else {
        buffer.copy(array, to, at + 1, end);
        to += end - at - 1;
      }
    }
    array.writeInt32BE(to - start - 4, start);
  }
  return to === size ? array : array.subarray(0, to);
}

/** Dimensions, flag, element type, length and lower bound of the one dimension. */
const ARRAY_HEADER_BYTES = 20;

/** Up to here a loop is faster than a call of `copy`. */
const SHORT_VALUE_BYTES = 32;

function readLength(buffer: Buffer, at: number): number {
  return (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!;
}

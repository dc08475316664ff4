import { defect } from "../errors.js";

/** OIDs of the built-in integers (catalog/pg_type.dat). */
const INT8_OID = 20;
const INT2_OID = 21;
const INT4_OID = 23;

/** Whether values of the one type become values of the other by widening them to bigint. */
export function isWidening(fromOid: number, toOid: number): boolean {
  return toOid === INT8_OID && (fromOid === INT2_OID || fromOid === INT4_OID);
}

/**
 * Writes the int2, int4 or int8 of `length` bytes at `from` as the eight bytes of an int8 (`int8send`: big-endian), its
 * sign extended; returns the offset after them.
 */
export function writeWidened(target: Uint8Array, to: number, source: Uint8Array, from: number, length: number): number {
  if (length !== 4 && length !== 2 && length !== 8) throw defect(`an integer of ${length} bytes came where 2, 4 or 8 were expected`);
  const sign = source[from]! < 0x80 ? 0 : 0xff;
  const start = to + 8 - length;
  for (let at = to; at < start; at++) target[at] = sign;
  for (let byte = 0; byte < length; byte++) target[start + byte] = source[from + byte]!;
  return to + 8;
}

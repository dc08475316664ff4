import { defect } from "../errors.js";

/*
 * int2, int4 and int8 keys as the two halves of an int8, read from PostgreSQL's binary send format
 * (`int2send`, `int4send`, `int8send`: big-endian), without allocating.
 */

/** Upper half, signed. */
export function integerHigh(bytes: Uint8Array, offset: number, length: number): number {
  if (length === 8) return int32At(bytes, offset);
  return integerLow(bytes, offset, length) >> 31;
}

/** Lower half; its 32 bits as a signed number. */
export function integerLow(bytes: Uint8Array, offset: number, length: number): number {
  if (length === 8) return int32At(bytes, offset + 4);
  if (length === 4) return int32At(bytes, offset);
  if (length === 2) return ((bytes[offset]! << 24) >> 16) | bytes[offset + 1]!;
  throw defect(`An integer sharding key has ${length} bytes; 2, 4 or 8 were expected.`);
}

function int32At(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
}

import { defect } from "../errors.js";

/** OIDs of the built-in integers (catalog/pg_type.dat). */
const INT8_OID = 20;
const BYTES_OF: ReadonlyMap<number, 2 | 4> = new Map([[21, 2], [23, 4]]);

/** The bytes of the smaller integer that a bigint becomes; undefined where it does not become one. */
export function narrowedBytes(fromOid: number, toOid: number): 2 | 4 | undefined {
  return fromOid === INT8_OID ? BYTES_OF.get(toOid) : undefined;
}

/**
 * Writes the int8 at `from` as an integer of `bytes` bytes; returns the offset after them, or -1 where the value does not
 * fit: then nothing is written.
 */
export function writeNarrowed(target: Uint8Array, to: number, source: Uint8Array, from: number, length: number, bytes: 2 | 4): number {
  if (length !== 8) throw defect(`an integer of ${length} bytes came where 8 were expected`);
  const start = from + 8 - bytes;
  const sign = source[start]! < 0x80 ? 0 : 0xff;
  for (let at = from; at < start; at++) if (source[at] !== sign) return -1;
  for (let at = start; at < from + 8; at++) target[to++] = source[at]!;
  return to;
}

/** Whether an integer in text form fits into so many bytes. */
export function textFits(text: string, bytes: 2 | 4): boolean {
  const value = Number(text);
  const limit = bytes === 2 ? 0x8000 : 0x80000000;
  return value >= -limit && value < limit;
}

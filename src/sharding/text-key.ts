import type { KeyType } from "../config/types.js";
import { defect } from "../errors.js";
import { hexDigit } from "../postgres/copy-text.js";
import type { ShardOfKey } from "./table-route.js";

/**
 * The same routing for keys in their types' text form (`int8out`, `uuid_out`, `textout`; UTF-8): they are turned into the
 * binary form first. Integers may be int2 or int4 as well, which route as int8. Allocates nothing for a key.
 * @throws ReshardError DEFECT where the text is none of the type's
 */
export function textKeyRouter(shardOf: ShardOfKey, dataType: KeyType): ShardOfKey {
  switch (dataType) {
    case "varchar":
      return shardOf; // text and its binary form are the same bytes
    case "bigint": {
      const key = Buffer.alloc(8);
      return (bytes, offset, length) => {
        if (length < 0) return shardOf(bytes, offset, length);
        readInteger(bytes, offset, length, key);
        return shardOf(key, 0, 8);
      };
    }
    case "uuid": {
      const key = Buffer.alloc(16);
      return (bytes, offset, length) => {
        if (length < 0) return shardOf(bytes, offset, length);
        readUuid(bytes, offset, length, key);
        return shardOf(key, 0, 16);
      };
    }
  }
}

const MINUS = 0x2d;
const TWO_TO_32 = 0x1_0000_0000;
/** The most digits whose number is exact whatever they are. */
const EXACT_DIGITS = 15;

/** Exact over the whole range of int8: in two halves where a number would not be. */
function readInteger(bytes: Buffer, offset: number, length: number, into: Buffer): void {
  const end = offset + length;
  const negative = bytes[offset] === MINUS;
  let at = negative ? offset + 1 : offset;
  if (at >= end) throw unreadable("an integer", bytes, offset, length);
  let leading = 0;
  for (const exact = Math.min(end, at + EXACT_DIGITS); at < exact; at++) leading = leading * 10 + digit(bytes, at, offset, length);
  let high = Math.floor(leading / TWO_TO_32);
  let low = leading - high * TWO_TO_32;
  for (; at < end; at++) {
    const product = low * 10 + digit(bytes, at, offset, length);
    const carry = Math.floor(product / TWO_TO_32);
    low = product - carry * TWO_TO_32;
    high = high * 10 + carry;
    // -2^63 is the one value whose magnitude needs the highest bit.
    if (high >= 0x80000000 && !(negative && high === 0x80000000 && low === 0 && at === end - 1)) throw unreadable("an int8", bytes, offset, length);
  }
  if (negative) {
    low = low === 0 ? 0 : TWO_TO_32 - low;
    high = low === 0 ? -high : ~high;
  }
  into.writeInt32BE(high | 0, 0);
  into.writeInt32BE(low | 0, 4);
}

function digit(bytes: Buffer, at: number, offset: number, length: number): number {
  const value = bytes[at]! - 0x30;
  if (value >= 0 && value <= 9) return value;
  throw unreadable("an integer", bytes, offset, length);
}

/** 32 hexadecimal digits; hyphens between them mean nothing. */
function readUuid(bytes: Buffer, offset: number, length: number, into: Buffer): void {
  let digits = 0;
  for (let at = offset; at < offset + length; at++) {
    const byte = bytes[at]!;
    if (byte === MINUS) continue;
    const value = hexDigit(byte);
    if (value < 0 || digits === 32) throw unreadable("a uuid", bytes, offset, length);
    if ((digits & 1) === 0) into[digits >> 1] = value << 4;
    else into[digits >> 1]! |= value;
    digits++;
  }
  if (digits !== 32) throw unreadable("a uuid", bytes, offset, length);
}

function unreadable(expected: string, bytes: Buffer, offset: number, length: number): Error {
  return defect(`A sharding key that came as text is not ${expected}: ${JSON.stringify(bytes.toString("utf8", offset, offset + Math.min(length, 50)))}.`);
}

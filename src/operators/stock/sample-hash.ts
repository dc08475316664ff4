import type { ValueColumn } from "../../value-column.js";
import { INTEGERS, numberKind } from "../expression/number-keys.js";
import { valueReader } from "../expression/value-reader.js";
import { isTextual } from "../../postgres/value-codec.js";

/** MurmurHash3_x86_32's constants (Austin Appleby, public domain). */
const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;
const NULL_WORD = 0x4e554c4c;

/**
 * A hash of some columns of each row, 0 to 2^32 - 1: the same whether values come in binary or in text, and for
 * integers of every width. It is another one than the sharding rules', so that a sample is spread over all shards.
 */
export function sampleHash(columns: readonly { readonly column: ValueColumn; readonly type: string }[]): (row: number) => number {
  const hashes = columns.map(({ column, type }) => columnHash(column, type));
  return (row) => {
    let hash = 0;
    for (const of of hashes) hash = mixed(hash, of(row));
    return finished(hash ^ columns.length);
  };
}

/** Of a value, 32 bits. */
function columnHash(column: ValueColumn, type: string): (row: number) => number {
  if (numberKind(type) === "integer") {
    const read = INTEGERS.readerOf(type);
    return valueReader(column, (buffer, offset, length, isText) => integerHash(read(buffer, offset, length, isText)), NULL_WORD);
  }
  if (isTextual(type)) return valueReader(column, bytesHash, NULL_WORD);
  return (row) => {
    const value = column.value(row);
    if (value === null || value === undefined) return NULL_WORD;
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value), "utf8");
    return bytesHash(bytes, 0, bytes.length);
  };
}

function integerHash(value: number | bigint): number {
  if (typeof value === "bigint") return mixed(mixed(0, Number(BigInt.asIntN(32, value))), Number(BigInt.asIntN(32, value >> 32n)));
  return mixed(mixed(0, value | 0), Math.floor(value / 2 ** 32) | 0);
}

function bytesHash(buffer: Buffer, offset: number, length: number): number {
  let hash = length;
  let at = offset;
  for (const end = offset + length - 3; at < end; at += 4) hash = mixed(hash, buffer.readInt32LE(at));
  let rest = 0;
  for (let shift = 0; at < offset + length; at++, shift += 8) rest |= buffer[at]! << shift;
  return mixed(hash, rest);
}

function mixed(hash: number, word: number): number {
  let k = Math.imul(word, C1);
  k = (k << 15) | (k >>> 17);
  const next = hash ^ Math.imul(k, C2);
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0;
}

function finished(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

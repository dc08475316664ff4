import type { KeyType, Mapping } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { integerHigh, integerLow } from "./integer-key.js";
import { type ShardOfKey, UNCOVERED_KEY } from "./table-route.js";

type RangeMapping = Extract<Mapping, { kind: "range" }>;

/** Whether a key lies in a range; `shard` where it does. */
interface Range {
  readonly shard: number;
  readonly covers: (bytes: Buffer, offset: number, length: number) => boolean;
}

/** The shard of the first default entry, or undefined. */
export function defaultShard(mapping: readonly Mapping[]): number | undefined {
  return mapping.find((entry) => entry.kind === "default")?.shard;
}

/**
 * Shard by lists, then ranges in the order written (start inclusive, end exclusive), then the default, whatever the
 * order of the kinds among each other. Of a value in two lists the last one counts, as in PgDog.
 *
 * Integers compare as numbers, uuids by their bytes, text by its UTF-8 bytes (PostgreSQL's order under the C
 * collation, whatever the column's collation is).
 *
 * The result expects a key that is not NULL.
 * @throws ReshardError SHARDING_MAPPING_VALUE where a value does not fit the key's type
 */
export function mappingRouter(mapping: readonly Mapping[], dataType: KeyType): ShardOfKey {
  const otherwise = defaultShard(mapping) ?? UNCOVERED_KEY;
  const ranges = mapping.filter((entry) => entry.kind === "range").map((entry) => rangeOf(entry, dataType));
  const listed = dataType === "bigint" ? integerLists(mapping) : byteLists(mapping, dataType);
  return (bytes, offset, length) => {
    const shard = listed(bytes, offset, length);
    if (shard !== undefined) return shard;
    for (const range of ranges) if (range.covers(bytes, offset, length)) return range.shard;
    return otherwise;
  };
}

type ListedShard = (bytes: Buffer, offset: number, length: number) => number | undefined;

function integerLists(mapping: readonly Mapping[]): ListedShard {
  // Keyed by number where a number is exact, so that ordinary keys need no bigint.
  const shards = new Map<number | bigint, number>();
  for (const entry of mapping) {
    if (entry.kind !== "list") continue;
    for (const value of entry.values) {
      const integer = integerValue(value);
      shards.set(BigInt.asIntN(54, integer) === integer ? Number(integer) : integer, entry.shard);
    }
  }
  if (shards.size === 0) return nothing;
  return (bytes, offset, length) => {
    const high = integerHigh(bytes, offset, length);
    if (high >= -0x200000 && high < 0x200000) return shards.get(high * 0x100000000 + (integerLow(bytes, offset, length) >>> 0));
    return shards.get(bytes.readBigInt64BE(offset));
  };
}

function byteLists(mapping: readonly Mapping[], dataType: KeyType): ListedShard {
  const shards = new Map<string, number>();
  for (const entry of mapping) {
    if (entry.kind !== "list") continue;
    for (const value of entry.values) shards.set(byteValue(value, dataType).toString("latin1"), entry.shard);
  }
  if (shards.size === 0) return nothing;
  // Latin-1 turns bytes into characters one for one: cheaper than decoding UTF-8, and equal exactly if the bytes are.
  return (bytes, offset, length) => shards.get(bytes.toString("latin1", offset, offset + length));
}

function nothing(): undefined {
  return undefined;
}

function rangeOf(entry: RangeMapping, dataType: KeyType): Range {
  return { shard: entry.shard, covers: dataType === "bigint" ? integerRange(entry) : byteRange(entry, dataType) };
}

function integerRange(entry: RangeMapping): Range["covers"] {
  // Halves may lie outside int4 where a bound lies outside int8: the comparison still holds.
  const start = entry.start === undefined ? undefined : integerValue(entry.start);
  const end = entry.end === undefined ? undefined : integerValue(entry.end);
  const startHigh = start === undefined ? -Infinity : Number(start >> 32n);
  const startLow = start === undefined ? 0 : Number(start & 0xffffffffn);
  const endHigh = end === undefined ? Infinity : Number(end >> 32n);
  const endLow = end === undefined ? 0 : Number(end & 0xffffffffn);
  return (bytes, offset, length) => {
    const high = integerHigh(bytes, offset, length);
    const low = integerLow(bytes, offset, length) >>> 0;
    return (high > startHigh || (high === startHigh && low >= startLow)) && (high < endHigh || (high === endHigh && low < endLow));
  };
}

function byteRange(entry: RangeMapping, dataType: KeyType): Range["covers"] {
  const start = entry.start === undefined ? undefined : byteValue(entry.start, dataType);
  const end = entry.end === undefined ? undefined : byteValue(entry.end, dataType);
  return (bytes, offset, length) =>
    (start === undefined || bytes.compare(start, 0, start.length, offset, offset + length) >= 0) &&
    (end === undefined || bytes.compare(end, 0, end.length, offset, offset + length) < 0);
}

function integerValue(value: bigint | string): bigint {
  if (typeof value === "bigint") return value;
  throw unfitValue(value, "bigint");
}

function byteValue(value: bigint | string, dataType: KeyType): Buffer {
  if (typeof value !== "string") throw unfitValue(value, dataType);
  if (dataType !== "uuid") return Buffer.from(value, "utf8");
  const digits = value.replace(/[{}-]/g, "");
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw unfitValue(value, dataType);
  return Buffer.from(digits, "hex");
}

const EXPECTED: Readonly<Record<KeyType, string>> = {
  bigint: "an integer, without quotes",
  uuid: 'a uuid in quotes, such as "0190a5d2-7b5c-7000-8000-0242ac120002"',
  varchar: "a string in quotes",
};

function unfitValue(value: bigint | string, dataType: KeyType): ReshardError {
  const written = typeof value === "bigint" ? value.toString() : JSON.stringify(value);
  return new ReshardError("SHARDING_MAPPING_VALUE", `The mapping value ${written} does not fit data_type = "${dataType}".`, {
    remedy: `Write ${EXPECTED[dataType]}, or correct data_type.`,
  });
}

import { compareDecimals, type Decimal, decimalFromBinary, decimalFromText } from "./decimal.js";
import { isoDateDays, isoTimestampMicroseconds, timeWithZone } from "./iso-time.js";
import { TypeOid } from "./type-oids.js";

/** How values of one type compare, as its btree operator class does. `keyOf` reads a value once; keys compare often. */
export interface ValueOrder {
  keyOf(value: Buffer): unknown;
  compare(a: unknown, b: unknown): number;
}

/** What the order of values depends on besides their type. */
export interface OrderTraits {
  /** Text compares as its bytes do (collation C, or code points in UTF-8). */
  readonly bytewiseText: boolean;
  /** `DateStyle` begins with ISO. */
  readonly isoDates: boolean;
  /** `extra_float_digits` is 1 or more: text tells different values apart. */
  readonly exactFloats: boolean;
}

const ORDERED_DIGITS: ReadonlySet<number> = new Set([TypeOid.int2, TypeOid.int4, TypeOid.oid]);

/**
 * The order of a column's values in text (format 0) or binary (1), or undefined where it cannot be computed here from what
 * is sent: text under a language's collation, enums (their order is the catalog's), composite types, arrays, ranges.
 */
export function valueOrder(typeOid: number, format: number, traits: OrderTraits): ValueOrder | undefined {
  return format === 1 ? binaryOrder(typeOid, traits) : textOrder(typeOid, traits);
}

function textOrder(typeOid: number, traits: OrderTraits): ValueOrder | undefined {
  if (ORDERED_DIGITS.has(typeOid)) return numbers((value) => Number(latin1(value)));
  switch (typeOid) {
    case TypeOid.int8:
    case TypeOid.xid8:
      return bigints((value) => BigInt(latin1(value)));
    case TypeOid.numeric:
      return decimals((value) => decimalFromText(latin1(value)));
    case TypeOid.float4:
    case TypeOid.float8:
      return traits.exactFloats ? floats((value) => Number(latin1(value))) : undefined;
    case TypeOid.pg_lsn:
      return bigints((value) => {
        const [high, low] = latin1(value).split("/") as [string, string];
        return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
      });
    case TypeOid.date:
      return traits.isoDates ? numbers((value) => isoDateDays(latin1(value))) : undefined;
    case TypeOid.timestamp:
    case TypeOid.timestamptz:
      return traits.isoDates ? bigints((value) => isoTimestampMicroseconds(latin1(value))) : undefined;
    case TypeOid.timetz:
      return timesWithZone((value) => timeWithZone(latin1(value)));
    case TypeOid.bytea:
      return bytes(byteaOfText);
    case TypeOid.time: // fixed digits: 12:00:00.5 follows 12:00:00
      return bytes((value) => value);
    default:
      return orderOfBytes(typeOid, traits);
  }
}

function binaryOrder(typeOid: number, traits: OrderTraits): ValueOrder | undefined {
  switch (typeOid) {
    case TypeOid.int2:
      return numbers((value) => value.readInt16BE(0));
    case TypeOid.int4:
    case TypeOid.date: // days since 2000-01-01; the ends of the range are the infinities
      return numbers((value) => value.readInt32BE(0));
    case TypeOid.oid:
      return numbers((value) => value.readUInt32BE(0));
    case TypeOid.int8:
    case TypeOid.money:
    case TypeOid.time:
    case TypeOid.timestamp:
    case TypeOid.timestamptz:
      return bigints((value) => value.readBigInt64BE(0));
    case TypeOid.pg_lsn:
    case TypeOid.xid8:
      return bigints((value) => value.readBigUInt64BE(0));
    case TypeOid.numeric:
      return decimals(decimalFromBinary);
    case TypeOid.float4:
      return floats((value) => value.readFloatBE(0));
    case TypeOid.float8:
      return floats((value) => value.readDoubleBE(0));
    case TypeOid.timetz: // microseconds, and seconds west of Greenwich
      return timesWithZone((value) => ({ time: Number(value.readBigInt64BE(0)), zone: value.readInt32BE(8) }));
    case TypeOid.interval: // interval_cmp_value: a month has 30 days, a day 24 hours
      return bigints((value) => value.readBigInt64BE(0) + (BigInt(value.readInt32BE(8)) + BigInt(value.readInt32BE(12)) * 30n) * 86_400_000_000n);
    case TypeOid.bytea:
    case TypeOid.char:
      return bytes((value) => value);
    default:
      return orderOfBytes(typeOid, traits);
  }
}

/** Of types that compare as their bytes do, in text as in binary: `t` follows `f`, and digits are fixed. */
function orderOfBytes(typeOid: number, { bytewiseText }: OrderTraits): ValueOrder | undefined {
  switch (typeOid) {
    case TypeOid.bool:
    case TypeOid.uuid:
    case TypeOid.macaddr:
    case TypeOid.macaddr8:
    case TypeOid.name:
      return bytes((value) => value);
    case TypeOid.text:
    case TypeOid.varchar:
      return bytewiseText ? bytes((value) => value) : undefined;
    case TypeOid.bpchar:
      return bytewiseText ? bytes(withoutBlanks) : undefined;
    default:
      return undefined;
  }
}

/** `compare` only ever gets what `keyOf` gave. */
function ordered<K>(keyOf: (value: Buffer) => K, compare: (a: K, b: K) => number): ValueOrder {
  return { keyOf, compare };
}

function ascending<K extends number | bigint>(a: K, b: K): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function numbers(keyOf: (value: Buffer) => number): ValueOrder {
  return ordered(keyOf, ascending);
}

/** NaN is equal to itself and larger than all others (float8_cmp_internal, utils/float.h). */
function floats(keyOf: (value: Buffer) => number): ValueOrder {
  return ordered(keyOf, (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(a)) - Number(Number.isNaN(b)) : ascending(a, b)));
}

function bigints(keyOf: (value: Buffer) => bigint): ValueOrder {
  return ordered(keyOf, ascending);
}

function decimals(keyOf: (value: Buffer) => Decimal): ValueOrder {
  return ordered(keyOf, compareDecimals);
}

function bytes(keyOf: (value: Buffer) => Buffer): ValueOrder {
  return ordered(keyOf, (a, b) => a.compare(b));
}

/** By the moment, then by the zone (timetz_cmp_internal, utils/adt/date.c). */
function timesWithZone(keyOf: (value: Buffer) => { readonly time: number; readonly zone: number }): ValueOrder {
  return ordered(keyOf, (a, b) => ascending(a.time + a.zone * 1_000_000, b.time + b.zone * 1_000_000) || a.zone - b.zone);
}

/** `bpcharcmp` leaves trailing blanks out. */
function withoutBlanks(value: Buffer): Buffer {
  let end = value.length;
  while (end > 0 && value[end - 1] === 0x20) end--;
  return value.subarray(0, end);
}

const BACKSLASH = 0x5c;

/** Both of `bytea_output`'s forms: `\x00ff`, and bytes with `\\` and `\ooo`. */
function byteaOfText(value: Buffer): Buffer {
  if (value[0] === BACKSLASH && value[1] === 0x78) return Buffer.from(latin1(value.subarray(2)), "hex");
  const unescaped = Buffer.alloc(value.length);
  let length = 0;
  for (let at = 0; at < value.length; at++) {
    if (value[at] !== BACKSLASH) unescaped[length++] = value[at]!;
    else if (value[at + 1] === BACKSLASH) unescaped[length++] = value[++at]!;
    else {
      unescaped[length++] = Number.parseInt(latin1(value.subarray(at + 1, at + 4)), 8);
      at += 3;
    }
  }
  return unescaped.subarray(0, length);
}

function latin1(value: Buffer): string {
  return value.toString("latin1");
}

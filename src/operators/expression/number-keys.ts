import { compareDecimals, type Decimal, decimalFromBinary, decimalFromText } from "../../postgres/decimal.js";
import type { ReadValue } from "./value-reader.js";

/** How numbers of two types are compared: as PostgreSQL resolves the operator. */
export type NumberKind = "integer" | "numeric" | "float";

const KINDS: Readonly<Record<string, NumberKind>> = { int2: "integer", int4: "integer", int8: "integer", oid: "integer", numeric: "numeric", float4: "float", float8: "float" };
const RANK: Readonly<Record<NumberKind, number>> = { integer: 0, numeric: 1, float: 2 };

/** Undefined: not a type of numbers. */
export function numberKind(type: string): NumberKind | undefined {
  return KINDS[type];
}

/** What both are turned into. */
export function widerKind(a: NumberKind, b: NumberKind): NumberKind {
  return RANK[a] >= RANK[b] ? a : b;
}

export interface NumberKeys<K> {
  /** Of a column's values. */
  readerOf(type: string): ReadValue<K>;
  /** Of a literal. */
  of(literal: Decimal): K;
  compare(a: K, b: K): number;
}

/** An integer is a number where that is exact, else a bigint; JavaScript compares the two by their value. */
export const INTEGERS: NumberKeys<number | bigint> = {
  readerOf: (type) => (type === "oid" ? (buffer, offset, length, isText) => (isText ? Number(buffer.toString("latin1", offset, offset + length)) : buffer.readUInt32BE(offset)) : readInteger),
  of: (literal) => (literal.kind === "finite" ? compact(literal.coefficient) : Number.NaN),
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
};

export const DECIMALS: NumberKeys<Decimal> = {
  readerOf(type) {
    if (type === "numeric") return (buffer, offset, length, isText) => (isText ? decimalFromText(buffer.toString("latin1", offset, offset + length)) : decimalFromBinary(buffer.subarray(offset, offset + length)));
    const read = INTEGERS.readerOf(type);
    return (...value) => ({ kind: "finite", coefficient: BigInt(read(...value)), scale: 0 });
  },
  of: (literal) => literal,
  compare: compareDecimals,
};

export const FLOATS: NumberKeys<number> = {
  readerOf(type) {
    switch (type) {
      case "float4":
        return (buffer, offset, length, isText) => (isText ? Math.fround(Number(buffer.toString("latin1", offset, offset + length))) : buffer.readFloatBE(offset));
      case "float8":
        return (buffer, offset, length, isText) => (isText ? Number(buffer.toString("latin1", offset, offset + length)) : buffer.readDoubleBE(offset));
      case "numeric": {
        const read = DECIMALS.readerOf(type);
        return (...value) => floatOf(read(...value));
      }
      default: {
        const read = INTEGERS.readerOf(type);
        return (...value) => Number(read(...value));
      }
    }
  },
  of: floatOf,
  /** NaN is equal to itself and larger than all others (float8_cmp_internal, utils/float.h). */
  compare: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(a)) - Number(Number.isNaN(b)) : a < b ? -1 : a > b ? 1 : 0),
};

/** Exponents are left to literals: the server writes none of `numeric`. Undefined: not a number. */
export function decimalLiteral(text: string): Decimal | undefined {
  const word = /^\s*([+-]?)(NaN|Infinity|inf)\s*$/i.exec(text);
  if (word !== null) {
    if (word[2]!.toLowerCase() === "nan") return word[1] === "" ? { kind: "NaN" } : undefined;
    return { kind: word[1] === "-" ? "-Infinity" : "Infinity" };
  }
  const parts = /^\s*(?<sign>[+-]?)(?:(?<whole>\d+)\.?(?<fraction>\d*)|\.(?<bare>\d+))(?:e(?<exponent>[+-]?\d{1,4}))?\s*$/i.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const fraction = parts["fraction"] ?? parts["bare"] ?? "";
  const magnitude = BigInt((parts["whole"] ?? "") + fraction);
  const coefficient = parts["sign"] === "-" ? -magnitude : magnitude;
  const scale = fraction.length - Number(parts["exponent"] ?? 0);
  return scale >= 0 ? { kind: "finite", coefficient, scale } : { kind: "finite", coefficient: coefficient * 10n ** BigInt(-scale), scale: 0 };
}

/** True for numbers that PostgreSQL reads as int4, int8 or, beyond them, an integral numeric. */
export function isInteger(literal: Decimal): boolean {
  return literal.kind === "finite" && literal.scale === 0;
}

function floatOf(decimal: Decimal): number {
  return decimal.kind === "finite" ? Number(`${decimal.coefficient}e${-decimal.scale}`) : Number(decimal.kind);
}

/** Bits of a number that an int8's upper half may have, for the whole to be exact as a double. */
const EXACT_HIGH = 2 ** 20;
const EXACT_DIGITS = 15;

function readInteger(buffer: Buffer, offset: number, length: number, isText: boolean): number | bigint {
  if (isText) {
    const text = buffer.toString("latin1", offset, offset + length);
    return length <= EXACT_DIGITS ? Number(text) : compact(BigInt(text));
  }
  if (length === 4) return buffer.readInt32BE(offset);
  if (length === 2) return buffer.readInt16BE(offset);
  const high = buffer.readInt32BE(offset);
  return high >= -EXACT_HIGH && high < EXACT_HIGH ? high * 2 ** 32 + buffer.readUInt32BE(offset + 4) : buffer.readBigInt64BE(offset);
}

function compact(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

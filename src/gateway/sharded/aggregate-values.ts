import type { Aggregate } from "../planning/statement-plan.js";
import { addDecimals, type Decimal, decimalFromBinary, decimalFromText, decimalToBinary, decimalToText } from "../../postgres/decimal.js";
import { failure, notYet } from "./failure.js";
import { floatText } from "../../postgres/float-text.js";
import { TypeOid } from "../../postgres/type-oids.js";
import { type OrderTraits, valueOrder } from "../../postgres/value-order.js";

/** The values of one column of an aggregate's answer, one from each shard, become one; null is NULL. */
export type CombineValues = (values: readonly (Buffer | null)[]) => Buffer | null;

const TRUE_TEXT = 0x74;

/**
 * How shards' partial results of an aggregate are put together: counts and sums are added, of the smallest and largest
 * one is taken. NULL is left out, and all NULL is NULL. Exact, but for floats, whose sum depends on the rows' order anyway.
 * @param typeOid of the result
 * @param format 0 text, 1 binary
 * @throws WireError 0A000 where that cannot be done for the type
 */
export function combineValues(aggregate: Aggregate["function"], typeOid: number, format: number, traits: OrderTraits): CombineValues {
  if (aggregate === "min" || aggregate === "max") {
    const order = valueOrder(typeOid, format, traits);
    if (order === undefined) throw notYet(`${aggregate}() over several shards of a type whose order is not known to the gateway`, `Ask for one shard at a time, or for rows that are ordered by COLLATE "C".`);
    const sign = aggregate === "min" ? 1 : -1;
    return present((values) => {
      let best = values[0]!;
      let bestKey = order.keyOf(best);
      for (const value of values.slice(1)) {
        const key = order.keyOf(value);
        if (order.compare(key, bestKey) * sign < 0) [best, bestKey] = [value, key];
      }
      return best;
    });
  }
  if (aggregate === "bool_and" || aggregate === "bool_or") {
    // `t` or `f`, or a byte 1 or 0.
    const isTrue = (value: Buffer): boolean => value[0] === (format === 1 ? 1 : TRUE_TEXT);
    const deciding = aggregate === "bool_or";
    return present((values) => values.find((value) => isTrue(value) === deciding) ?? values[0]!);
  }
  const sum = sumOf(typeOid, format, traits);
  if (sum === undefined) throw notYet(`${aggregate}() over several shards of this type`, "Ask for one shard at a time, or cast the column to numeric.");
  return present(sum);
}

function present(combine: (values: readonly Buffer[]) => Buffer): CombineValues {
  return (values) => {
    const there = values.filter((value) => value !== null);
    return there.length === 0 ? null : combine(there);
  };
}

function sumOf(typeOid: number, format: number, traits: OrderTraits): ((values: readonly Buffer[]) => Buffer) | undefined {
  const binary = format === 1;
  switch (typeOid) {
    case TypeOid.int8:
      return binary ? (values) => int8(values.reduce((sum, value) => sum + value.readBigInt64BE(0), 0n)) : (values) => text(checked(values.reduce((sum, value) => sum + BigInt(latin1(value)), 0n)).toString());
    case TypeOid.money:
      return binary ? (values) => int8(values.reduce((sum, value) => sum + value.readBigInt64BE(0), 0n)) : undefined;
    case TypeOid.numeric:
      return binary ? (values) => decimalToBinary(values.map(decimalFromBinary).reduce(addDecimals)) : (values) => text(decimalToText(values.map((value): Decimal => decimalFromText(latin1(value))).reduce(addDecimals)));
    case TypeOid.float8:
      if (binary) {
        return (values) => {
          const bytes = Buffer.allocUnsafe(8);
          bytes.writeDoubleBE(floatSum(values.map((value) => value.readDoubleBE(0)), (sum) => sum));
          return bytes;
        };
      }
      return traits.exactFloats ? (values) => text(floatText(floatSum(values.map((value) => Number(latin1(value))), (sum) => sum), "float8")) : undefined;
    case TypeOid.float4:
      if (binary) {
        return (values) => {
          const bytes = Buffer.allocUnsafe(4);
          bytes.writeFloatBE(floatSum(values.map((value) => value.readFloatBE(0)), Math.fround));
          return bytes;
        };
      }
      return traits.exactFloats ? (values) => text(floatText(floatSum(values.map((value) => Number(latin1(value))), Math.fround), "float4")) : undefined;
    default:
      return undefined;
  }
}

function floatSum(values: readonly number[], round: (sum: number) => number): number {
  return values.reduce((sum, value) => {
    const next = round(sum + value);
    // float8_pl, utils/float.h.
    if (!Number.isFinite(next) && !Number.isNaN(next) && Number.isFinite(sum) && Number.isFinite(value)) throw failure("22003", "value out of range: overflow");
    return next;
  });
}

function int8(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64BE(checked(value));
  return bytes;
}

function checked(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw failure("22003", "bigint out of range");
  return value;
}

function latin1(value: Buffer): string {
  return value.toString("latin1");
}

function text(value: string): Buffer {
  return Buffer.from(value, "latin1");
}

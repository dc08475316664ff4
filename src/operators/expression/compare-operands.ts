import { type Decimal, compareDecimals } from "../../postgres/decimal.js";
import { valueCodec } from "../../postgres/value-codec.js";
import type { TableBatch } from "../../table-batch.js";
import { DECIMALS, decimalLiteral, FLOATS, INTEGERS, isInteger, type NumberKeys, type NumberKind, numberKind, widerKind } from "./number-keys.js";
import { orderedType } from "./ordered-types.js";
import { differenceFrom, isText, signAgainst, textKey, textReader } from "./text-keys.js";
import { type ReadValue, valueReader } from "./value-reader.js";

/** A column, or a literal that is not NULL. */
export type Comparand =
  | { readonly kind: "column"; readonly name: string; readonly type: string }
  | { readonly kind: "number" | "string"; readonly text: string }
  | { readonly kind: "boolean"; readonly value: boolean };
type ColumnComparand = Extract<Comparand, { kind: "column" }>;

/** How the left of two operands stands to the right: negative, 0 or positive; NaN where one of them is NULL. */
export type Signs = (batch: TableBatch) => (row: number) => number;

/** Why two operands cannot be compared. */
export class NotComparable extends Error {}

const NULL_SIGN = Number.NaN;

/**
 * @param equality only whether it is 0 matters: types without an order can be compared too
 * @throws NotComparable
 */
export function signsOf(left: Comparand, right: Comparand, equality: boolean): Signs {
  if (left.kind === "column") return right.kind === "column" ? columnsSigns(left, right, equality) : literalSigns(left, right, equality);
  if (right.kind === "column") {
    const signs = literalSigns(right, left, equality);
    return (batch) => {
      const sign = signs(batch);
      return (row) => -sign(row);
    };
  }
  const sign = literalsSign(left, right);
  return () => () => sign;
}

function literalsSign(left: Exclude<Comparand, ColumnComparand>, right: Exclude<Comparand, ColumnComparand>): number {
  if (left.kind === "string" && right.kind === "string") return Buffer.from(left.text).compare(Buffer.from(right.text));
  if (left.kind === "boolean" || right.kind === "boolean") return Number(booleanOf(left)) - Number(booleanOf(right));
  return compareDecimals(numberOf(left.text, "numeric"), numberOf(right.text, "numeric"));
}

function literalSigns({ name, type }: ColumnComparand, literal: Exclude<Comparand, ColumnComparand>, equality: boolean): Signs {
  const read = signReader(type, literal, equality);
  return (batch) => valueReader(batch.column(name), read, NULL_SIGN);
}

function signReader(type: string, literal: Exclude<Comparand, ColumnComparand>, equality: boolean): ReadValue<number> {
  const kind = numberKind(type);
  if (kind !== undefined) {
    if (literal.kind === "boolean") throw new NotComparable(`a column of type ${type} is compared with a number, such as 18`);
    const value = numberOf(literal.text, type);
    if (literal.kind === "string") checkRange(value, type, literal.text);
    // A literal in quotes is of the column's type; a number is of its own.
    if (literal.kind === "string") return type === "float4" ? numbersReader(FLOATS, type, Math.fround(FLOATS.of(value))) : numberReader(kind, type, value);
    return numberReader(widerKind(kind, isInteger(value) ? "integer" : "numeric"), type, value);
  }
  if (type === "bool") {
    const value = Number(booleanOf(literal));
    return (buffer, offset, _length, text) => (buffer[offset] === (text ? 0x74 : 1) ? 1 : 0) - value;
  }
  if (isText(type) || (type === "enum" && equality)) {
    if (literal.kind !== "string") throw new NotComparable(`a column of type ${type} is compared with a string: '${literal.kind === "boolean" ? String(literal.value) : literal.text}'`);
    const key = textKey(type, literal.text);
    return equality ? differenceFrom(type, key) : signAgainst(type, key);
  }
  const ordered = orderedType(type);
  if (ordered === undefined) throw notSupported(type);
  const expected = (): NotComparable => new NotComparable(`a column of type ${type} is compared with a string such as ${ordered.example}`);
  if (literal.kind !== "string") throw expected();
  let keys: ReturnType<typeof ordered.keysOf>;
  try {
    keys = ordered.keysOf(literal.text);
  } catch {
    throw expected();
  }
  const { binary, text } = ordered.orders;
  return (buffer, offset, length, isTextual) => {
    const value = buffer.subarray(offset, offset + length);
    return isTextual ? text.compare(text.keyOf(value), keys.text) : binary.compare(binary.keyOf(value), keys.binary);
  };
}

function numberReader(kind: NumberKind, type: string, value: Decimal): ReadValue<number> {
  switch (kind) {
    case "integer":
      return numbersReader(INTEGERS, type, INTEGERS.of(value));
    case "numeric":
      return numbersReader(DECIMALS, type, value);
    case "float":
      return numbersReader(FLOATS, type, FLOATS.of(value));
  }
}

function numbersReader<K>(keys: NumberKeys<K>, type: string, literal: K): ReadValue<number> {
  const read = keys.readerOf(type);
  return (buffer, offset, length, isTextual) => keys.compare(read(buffer, offset, length, isTextual), literal);
}

function columnsSigns(left: ColumnComparand, right: ColumnComparand, equality: boolean): Signs {
  const [leftKind, rightKind] = [numberKind(left.type), numberKind(right.type)];
  if (leftKind !== undefined && rightKind !== undefined) {
    switch (widerKind(leftKind, rightKind)) {
      case "integer":
        return keysSigns(left, right, INTEGERS.readerOf(left.type), INTEGERS.readerOf(right.type), (a, b) => INTEGERS.compare(a, b));
      case "numeric":
        return keysSigns(left, right, DECIMALS.readerOf(left.type), DECIMALS.readerOf(right.type), (a, b) => DECIMALS.compare(a, b));
      case "float":
        return keysSigns(left, right, FLOATS.readerOf(left.type), FLOATS.readerOf(right.type), (a, b) => FLOATS.compare(a, b));
    }
  }
  if (isText(left.type) && isText(right.type)) {
    // Beside text of another type bpchar becomes text, which drops its blanks too; citext draws the other with it.
    const lower = left.type === "citext" || right.type === "citext";
    const key = (type: string): ReadValue<Buffer> => textReader(lower ? "citext" : type);
    return keysSigns(left, right, key(left.type), key(right.type), (a, b) => a.compare(b));
  }
  if (left.type !== right.type) throw new NotComparable(`columns of type ${left.type} and ${right.type} cannot be compared`);
  if (left.type === "bool") {
    const read: ReadValue<number> = (buffer, offset, _length, text) => (buffer[offset] === (text ? 0x74 : 1) ? 1 : 0);
    return keysSigns(left, right, read, read, (a, b) => a - b);
  }
  if (left.type === "enum" && equality) return keysSigns(left, right, textReader("text"), textReader("text"), (a, b) => a.compare(b));
  const ordered = orderedType(left.type);
  if (ordered === undefined) throw notSupported(left.type);
  const codec = valueCodec(left.type);
  const { binary } = ordered.orders;
  // The one may come as text and the other not.
  const read: ReadValue<unknown> = (buffer, offset, length, isTextual) => {
    const bytes = buffer.subarray(offset, offset + length);
    return binary.keyOf(isTextual ? codec.encode(codec.decode(bytes, "text"), "binary") : bytes);
  };
  return keysSigns(left, right, read, read, (a, b) => binary.compare(a, b));
}

function keysSigns<K>(left: ColumnComparand, right: ColumnComparand, readLeft: ReadValue<K>, readRight: ReadValue<K>, compare: (a: K, b: K) => number): Signs {
  return (batch) => {
    const leftKey = valueReader(batch.column(left.name), readLeft, undefined);
    const rightKey = valueReader(batch.column(right.name), readRight, undefined);
    return (row) => {
      const a = leftKey(row);
      const b = rightKey(row);
      return a === undefined || b === undefined ? NULL_SIGN : compare(a, b);
    };
  };
}

/** The values that columns of integers hold. */
const RANGES: Readonly<Record<string, readonly [least: bigint, most: bigint]>> = {
  int2: [-(1n << 15n), (1n << 15n) - 1n],
  int4: [-(1n << 31n), (1n << 31n) - 1n],
  int8: [-(1n << 63n), (1n << 63n) - 1n],
  oid: [0n, (1n << 32n) - 1n],
};

/** A literal's value beside a column of the type. */
function numberOf(text: string, type: string): Decimal {
  const value = decimalLiteral(text);
  if (value === undefined) throw new NotComparable(`'${text}' is no value of type ${type}`);
  return value;
}

/** A literal in quotes has to be a value of the column's type. */
function checkRange(value: Decimal, type: string, text: string): void {
  const range = RANGES[type];
  if (range === undefined) return;
  if (!isInteger(value) || /[.e]/i.test(text) || value.kind !== "finite" || value.coefficient < range[0] || value.coefficient > range[1]) throw new NotComparable(`'${text}' is no value of type ${type}`);
}

function booleanOf(literal: Exclude<Comparand, ColumnComparand>): boolean {
  if (literal.kind === "boolean") return literal.value;
  if (literal.kind === "string" && /^\s*(?:t|true)\s*$/i.test(literal.text)) return true;
  if (literal.kind === "string" && /^\s*(?:f|false)\s*$/i.test(literal.text)) return false;
  throw new NotComparable("a boolean is compared with true or false");
}

function notSupported(type: string): NotComparable {
  return new NotComparable(type === "enum" ? "values of an enumerated type can be compared by = and <> only: their order is the type's" : `columns of type ${type} cannot be compared here, only IS [NOT] NULL`);
}

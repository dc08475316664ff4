import fc from "fast-check";
import type { Row } from "../operators/lazy-row.js";
import { ReshardError } from "../errors.js";
import { type Value, valueCodec } from "../postgres/value-codec.js";
import { keyOf, OUTSIDE_CHARACTERS, type TestRow, valuesOf } from "./test-rows.js";
import { type TestColumn, type TestTable, typeOf } from "./test-table.js";

/** Around the last integers that a JavaScript number tells apart. */
const beyondNumbers = fc.tuple(fc.constantFrom(2n ** 53n, -(2n ** 53n)), fc.bigInt({ min: -20n, max: 20n })).map(([last, by]) => last + by);

const integers = (bits: bigint): fc.Arbitrary<string> => {
  const [min, max] = [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
  return fc.oneof(fc.bigInt({ min: -20n, max: 20n }), fc.bigInt({ min, max }), fc.constantFrom(min, max), ...(bits > 53n ? [beyondNumbers] : [])).map(String);
};

const uuids = fc.oneof(
  { weight: 4, arbitrary: fc.uuid() },
  { weight: 1, arbitrary: fc.constantFrom("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff") },
);

/** Halves, so that they are exact in either size, and print alike everywhere. */
const floats = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: -2000, max: 2000 }).map((halves) => String(halves / 2)) }, { weight: 1, arbitrary: fc.constantFrom("NaN", "Infinity", "-Infinity") });

/** What means something in COPY's text, to JavaScript or to a regular expression, and what is longer than a character. */
const HARD_TEXTS = ["", " ", "\\N", "\\.", "\\\\", "NULL", "a\tb\nc\rd", "é€😀", "\u0001\u007f\ufeff", "{a,\"b\"}", "$1", "%"];

const texts = fc.oneof(
  { weight: 5, arbitrary: fc.string({ maxLength: 6 }) },
  { weight: 2, arbitrary: fc.constantFrom(...HARD_TEXTS) },
  // Of characters that UTF-8 orders otherwise than UTF-16, and short, so that they meet.
  { weight: 2, arbitrary: fc.string({ unit: fc.constantFrom("a", "b", "é", "\u{1f600}", "\uffff"), maxLength: 3 }) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 6 }).map((text) => text.replaceAll("\0", "0")) },
  { weight: 2, arbitrary: fc.string({ minLength: OUTSIDE_CHARACTERS, maxLength: OUTSIDE_CHARACTERS + 6 }) },
);

const documents = fc.oneof(fc.jsonValue({ maxDepth: 2, depthSize: "xsmall" }).map((value) => JSON.stringify(value)), fc.string({ minLength: OUTSIDE_CHARACTERS, maxLength: OUTSIDE_CHARACTERS + 6 }).map((text) => JSON.stringify({ text }))).map((text) => text.replaceAll("\\u0000", ""));

const two = (number: number): string => String(number).padStart(2, "0");
const days = fc.record({ year: fc.integer({ min: 1900, max: 2100 }), month: fc.integer({ min: 1, max: 12 }), day: fc.integer({ min: 1, max: 28 }) }).map(({ year, month, day }) => `${year}-${two(month)}-${two(day)}`);
const times = fc.record({ hour: fc.nat(23), minute: fc.nat(59), second: fc.nat(59) }).map(({ hour, minute, second }) => `${two(hour)}:${two(minute)}:${two(second)}`);
const moments = fc.tuple(days, times).map((parts) => parts.join(" "));

/** Values as PostgreSQL prints them, by `pg_type.typname`. */
const TEXTS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  bool: fc.constantFrom("t", "f"),
  int2: integers(16n), int4: integers(32n), int8: integers(64n),
  float4: floats, float8: floats,
  numeric: fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), fc.nat(99)).map(([whole, hundredths]) => `${whole}.${two(hundredths)}`),
  text: texts, varchar: texts, bpchar: texts, name: texts, citext: texts,
  json: documents, jsonb: documents,
  uuid: uuids,
  bytea: fc.oneof(fc.uint8Array({ maxLength: 4 }), fc.uint8Array({ minLength: OUTSIDE_CHARACTERS / 2, maxLength: OUTSIDE_CHARACTERS })).map((bytes) => `\\x${Buffer.from(bytes).toString("hex")}`),
  date: days, time: times, timestamp: moments, timestamptz: moments.map((moment) => `${moment}+00`),
};

/**
 * A value of a column, as PostgreSQL prints it; NULL too where it may be.
 *
 * @throws ReshardError TEST_TYPE_UNKNOWN
 */
export function arbitraryText(column: TestColumn): fc.Arbitrary<string | null> {
  const known = TEXTS[typeOf(column)];
  if (known === undefined) {
    throw new ReshardError("TEST_TYPE_UNKNOWN", `There are no arbitrary values of type ${typeOf(column)} (column "${column.name}").`, { remedy: `Define the column with one of ${Object.keys(TEXTS).join(", ")}.` });
  }
  return column.key === true || column.notNull === true ? known : fc.option(known, { freq: 5 });
}

/** A value of a type as operators see it, never NULL. */
export function arbitraryValue(type: string): fc.Arbitrary<Exclude<Value, null>> {
  return arbitraryText({ name: "value", type, notNull: true }).map((text) => valueCodec(type).decode(Buffer.from(text!), "text"));
}

/** Values of a type that name rows: all different. */
export function arbitraryKeys(type: string, { maxLength = 20 }: { readonly maxLength?: number } = {}): fc.Arbitrary<Exclude<Value, null>[]> {
  return fc.uniqueArray(arbitraryText({ name: "key", type, notNull: true }), { maxLength, size: "max" }).map((keys) => keys.map((text) => valueCodec(type).decode(Buffer.from(text!), "text")));
}

/** A row of a table, in text. */
export function arbitraryTestRow(table: TestTable): fc.Arbitrary<TestRow> {
  return fc.tuple(...table.columns.map(arbitraryText));
}

/** Rows of a table, each with its own key, in text. */
export function arbitraryTestRows(table: TestTable, { maxLength = 30 }: { readonly maxLength?: number } = {}): fc.Arbitrary<TestRow[]> {
  const row = arbitraryTestRow(table);
  if (!table.columns.some(({ key }) => key === true)) return fc.array(row, { maxLength, size: "max" });
  return fc.uniqueArray(row, { selector: (values) => keyOf(table, values), maxLength, size: "max" });
}

/** Rows of a table, each with its own key, as `perRow` gives them. */
export function arbitraryRows(table: TestTable, options?: { readonly maxLength?: number }): fc.Arbitrary<Row[]> {
  return arbitraryTestRows(table, options).map((rows) => rows.map((row) => valuesOf(table, row)));
}

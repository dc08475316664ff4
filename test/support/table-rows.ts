import fc from "fast-check";
import { type Value, valueCodec } from "../../src/postgres/value-codec.js";
import type { ValueFormat } from "../../src/postgres/value-format.js";
import { TableBatch, type TableShape } from "../../src/table-batch.js";
import { ABSENT_VALUE, NULL_VALUE } from "../../src/value-column.js";

/** A row's values in the order of the columns; undefined: the row does not carry it. */
export type RowValues = readonly (Value | undefined)[];

export interface TableBatchOptions {
  readonly format?: ValueFormat;
  readonly sequence?: number;
  readonly resume?: bigint;
}

/** Rows as operators get them. */
export function tableBatch(table: TableShape, rows: readonly RowValues[], { format = "binary", sequence = 0, resume }: TableBatchOptions = {}): TableBatch {
  const codecs = table.columns.map(({ type }) => valueCodec(type));
  const encoded = rows.flatMap((row) => codecs.map((codec, column) => {
    const value = row[column];
    return value === null || value === undefined ? value : codec.encode(value, format);
  }));
  let end = 0;
  const offsets = encoded.map((bytes) => {
    const start = end;
    end += bytes?.length ?? 0;
    return start;
  });
  const buffer = Buffer.concat(encoded.map((bytes) => bytes ?? Buffer.alloc(0)));
  return TableBatch.of({
    sequence, bytes: buffer.length, ...(resume === undefined ? {} : { resume }), table, format, count: rows.length,
    locate: () => ({
      buffer,
      offsets: Int32Array.from(offsets),
      lengths: Int32Array.from(encoded, (bytes) => (bytes === undefined ? ABSENT_VALUE : bytes === null ? NULL_VALUE : bytes.length)),
      texts: new Uint8Array(encoded.length).fill(format === "text" ? 1 : 0),
    }),
  });
}

/** The rows of a batch, with bytes as hexadecimal digits so that they can be compared. */
export function rowsIn(batch: TableBatch): (Exclude<Value, Buffer> | undefined)[][] {
  const columns = batch.table.columns.map(({ name }) => batch.column(name));
  return Array.from({ length: batch.count }, (_, row) => columns.map((column) => {
    const value = column.value(row);
    return Buffer.isBuffer(value) ? value.toString("hex") : value;
  }));
}

const words = fc.oneof(fc.constantFrom("", "a", "ab", "abc", "Ab", "a%", "a_c", "b\\", "é", "ü€😀", "x y", "O'Neil", "ana.lima@example.org", "B@c.de", "+1 (555) 010-7788"), fc.string({ maxLength: 6 }).map((text) => text.replaceAll("\0", "")));

/** Values of a type, few of which are rare: equal ones meet. */
const ARBITRARIES: Readonly<Record<string, fc.Arbitrary<Exclude<Value, null>>>> = {
  bool: fc.boolean(),
  int2: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -32_768, max: 32_767 })),
  int4: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: 0, max: 2000 }), fc.integer()),
  int8: fc.oneof(fc.bigInt({ min: -3n, max: 3n }), fc.constantFrom(1n << 53n, (1n << 53n) + 1n, -(1n << 53n) - 1n, (1n << 63n) - 1n, -(1n << 63n)), fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })),
  numeric: fc.constantFrom("-2", "-0.5", "0", "0.00", "1", "1.0", "1.5", "2", "3.25", "12345678901234567890.5", "NaN"),
  float4: fc.constantFrom(-1.5, 0, 0.5, 1, 2, Math.fround(0.1), Number.NaN, Infinity),
  float8: fc.constantFrom(-1.5, 0, 0.1, 1, 2, 3.25, Number.NaN, Infinity, -Infinity),
  text: words,
  varchar: words,
  bpchar: fc.constantFrom("    ", "a   ", "ab  ", "Ab  ", "abcd"),
  uuid: fc.oneof(fc.constantFrom("00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), fc.uuid()),
  bytea: fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
  jsonb: fc.constantFrom("{}", '{"a": 1}', "null"),
  date: fc.constantFrom("2024-02-29", "1999-12-31", "0044-03-15 BC", "infinity", "-infinity"),
  timestamp: fc.constantFrom("2024-02-29 00:00:00", "2024-02-29 12:30:00.5", "1970-01-01 00:00:00", "infinity"),
  timestamptz: fc.constantFrom("2024-02-29 00:00:00+00", "2024-02-29 12:30:00.5+00", "1970-01-01 00:00:00+00", "-infinity"),
  time: fc.constantFrom("00:00:00", "12:30:00.5", "24:00:00"),
};

/** @param type one of those that operators know */
export function valuesOf(type: string): fc.Arbitrary<Exclude<Value, null>> {
  const arbitrary = ARBITRARIES[type];
  if (arbitrary === undefined) throw new Error(`no values of type ${type} are known here`);
  return arbitrary;
}

/** Rows of a table with different keys; the other columns may be NULL. */
export function rowsOf(table: TableShape, { minLength = 0, maxLength = 20 }: { readonly minLength?: number; readonly maxLength?: number } = {}): fc.Arbitrary<RowValues[]> {
  const row = fc.tuple(...table.columns.map(({ type, partOfKey }): fc.Arbitrary<Value> => (partOfKey ? valuesOf(type) : fc.option(valuesOf(type), { freq: 6 }))));
  const key = (values: readonly Value[]): string => table.columns.flatMap(({ partOfKey }, column) => (partOfKey ? [String(values[column])] : [])).join("\u0001");
  return table.columns.some(({ partOfKey }) => partOfKey) ? fc.uniqueArray(row, { selector: key, minLength, maxLength, size: "max" }) : fc.array(row, { minLength, maxLength, size: "max" });
}

import { ReshardError } from "../errors.js";
import type { Row } from "../operators/lazy-row.js";
import { type Value, valueCodec } from "../postgres/value-codec.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { isKeyless, type TestColumn, type TestTable, typeOf } from "./test-table.js";

/** A row's values in the table's order, each as PostgreSQL prints it. */
export type TestRow = readonly (string | null)[];

/** Rows by name, as far as changes need them. */
export interface RowTable {
  get(key: string): TestRow | undefined;
  set(key: string, row: TestRow): unknown;
  delete(key: string): unknown;
  clear(): void;
}

/** The rows of every table as `addRow` names them, by the table's OID. */
export type State = ReadonlyMap<number, ReadonlyMap<string, TestRow>>;

/** Names the row, for maps. */
export function keyOf(table: TestTable, row: TestRow): string {
  return JSON.stringify(row.filter((_, column) => table.columns[column]!.key === true));
}

/** Puts a row in, over one with its key. Equal rows of a table without key are told apart by a number, from 0 without gaps. */
export function addRow(table: TestTable, rows: RowTable, row: TestRow): void {
  rows.set(isKeyless(table) ? copyName(row, copiesOf(rows, row)) : keyOf(table, row), row);
}

/** Takes out the row with its key, or one that equals it; false where none was there. */
export function removeRow(table: TestTable, rows: RowTable, row: TestRow): boolean {
  const name = isKeyless(table) ? copyName(row, copiesOf(rows, row) - 1) : keyOf(table, row);
  const there = rows.get(name) !== undefined;
  rows.delete(name);
  return there;
}

function copiesOf(rows: RowTable, row: TestRow): number {
  let copies = 0;
  while (rows.get(copyName(row, copies)) !== undefined) copies++;
  return copies;
}

function copyName(row: TestRow, copy: number): string {
  return `${JSON.stringify(row)} #${copy}`;
}

/** From this many characters on values are stored outside the row. A server does it from 2 kB on; examples are to stay small. */
export const OUTSIDE_CHARACTERS = 24;

/** Is a value stored outside its row? Short ones too that begin with T, for examples written by hand. */
export function isOutside({ large }: TestColumn, value: string | null): boolean {
  return large === true && value !== null && (value.startsWith("T") || value.length >= OUTSIDE_CHARACTERS);
}

/** A value's bytes. */
export function bytesOf(column: TestColumn, text: string, format: ValueFormat): Buffer {
  const bytes = Buffer.from(text);
  if (format === "text") return bytes;
  const codec = valueCodec(typeOf(column));
  return codec.encode(codec.decode(bytes, "text"), "binary");
}

/** Can values of the column be read and made in binary? */
export function hasBinaryForm(column: TestColumn): boolean {
  try {
    valueCodec(typeOf(column)).decode(Buffer.alloc(0), "binary");
    return true;
  } catch (error) {
    return !(error instanceof ReshardError && error.code === "VALUE_TYPE_UNKNOWN");
  }
}

/** A value as PostgreSQL prints it. */
export function textOf(column: TestColumn, bytes: Buffer, format: ValueFormat): string {
  const codec = valueCodec(typeOf(column));
  return codec.encode(codec.decode(bytes, format), "text").toString();
}

/** The same of a value in JavaScript. */
export function textOfValue(column: TestColumn, value: Exclude<Value, null>): string {
  return valueCodec(typeOf(column)).encode(value, "text").toString();
}

/** A row in JavaScript, as `perRow` gives it. */
export function valuesOf(table: TestTable, row: TestRow): Row {
  return Object.fromEntries(table.columns.map((column, place): [string, Value] => {
    const text = row[place] ?? null;
    return [column.name, text === null ? null : valueCodec(typeOf(column)).decode(Buffer.from(text), "text")];
  }));
}

import { qualifiedName, quoteIdentifier, quoteLiteral, type TableName } from "../postgres/identifiers.js";
import type { TypedColumn, ValueText } from "./value-texts.js";

/** A table that SQL is written for. */
export interface SqlTable extends TableName {
  readonly columns: readonly TypedColumn[];
  /** Columns that name a row; none where only all of them together do. */
  readonly key: readonly string[];
  /** GENERATED ALWAYS AS IDENTITY: their values are given at the insert or never. */
  readonly identityAlways: readonly string[];
  readonly partitioned: boolean;
}

/** Values have to read the same whatever the defaults are where the file is run. */
export const SQL_HEAD = `SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET search_path = pg_catalog;

`;

/** Writes a table's rows and changes as statements, each ends its line. Values are as `ValueTexts` has them. */
export class SqlOfRows {
  readonly #table: SqlTable;
  readonly #names: readonly string[];

  constructor(table: SqlTable) {
    this.#table = table;
    this.#names = table.columns.map(({ name }) => quoteIdentifier(name));
  }

  /** One statement for some rows, which carry all the same columns. */
  insert(rows: readonly (readonly ValueText[])[]): string {
    const carried = this.#carried(rows[0]!);
    const overriding = carried.some((column) => this.#isIdentity(column)) ? " OVERRIDING SYSTEM VALUE" : "";
    const into = `INSERT INTO ${qualifiedName(this.#table)} (${carried.map((column) => this.#names[column]!).join(", ")})${overriding} VALUES`;
    const lists = rows.map((values) => `(${carried.map((column) => this.#literal(column, values[column]!)).join(", ")})`);
    return lists.length === 1 ? `${into} ${lists[0]!};\n` : `${into}\n${lists.join(",\n")};\n`;
  }

  /** @param before what names the row: its key, or all of it */
  update(before: readonly ValueText[], after: readonly ValueText[]): string {
    const carried = this.#carried(after);
    // Such a column cannot be set: a row that got another value there is another row.
    if (carried.some((column) => this.#isIdentity(column) && before[column] !== undefined && before[column] !== after[column])) return `${this.delete(before)}${this.insert([after])}`;
    const set = carried.filter((column) => !this.#isIdentity(column)).map((column) => `${this.#names[column]!} = ${this.#literal(column, after[column]!)}`);
    return set.length === 0 ? "" : `UPDATE ${this.#only} SET ${set.join(", ")} WHERE ${this.#condition(before)};\n`;
  }

  delete(before: readonly ValueText[]): string {
    return `DELETE FROM ${this.#only} WHERE ${this.#condition(before)};\n`;
  }

  /** An inheritance child's rows are its own. */
  get #only(): string {
    return onlyTable(this.#table);
  }

  /** True of the row; of several equal ones, of one. */
  #condition(row: readonly ValueText[]): string {
    const { key, columns } = this.#table;
    if (key.length > 0) {
      return key.map((name) => {
        const column = columns.findIndex((candidate) => candidate.name === name);
        return `${this.#names[column]!} = ${this.#literal(column, row[column] ?? null)}`;
      }).join(" AND ");
    }
    // Not all types have an operator for equality: by their text.
    const equal = this.#carried(row).map((column) => (row[column] === null ? `num_nulls(${this.#names[column]!}) = 1` : `num_nulls(${this.#names[column]!}) = 0 AND format('%s', ${this.#names[column]!}) = ${quoteLiteral(row[column]!)}`));
    return `(tableoid, ctid) = (SELECT tableoid, ctid FROM ${this.#only} WHERE ${equal.join(" AND ")} LIMIT 1)`;
  }

  #carried(values: readonly ValueText[]): number[] {
    return values.flatMap((value, column) => (value === undefined ? [] : [column]));
  }

  #isIdentity(column: number): boolean {
    return this.#table.identityAlways.includes(this.#table.columns[column]!.name);
  }

  #literal(column: number, value: string | null): string {
    if (value === null) return "NULL";
    return PLAIN_NUMBERS.has(this.#table.columns[column]!.type) && /^-?\d+(?:\.\d+)?$/.test(value) ? value : quoteLiteral(value);
  }
}

/** Their texts are constants of SQL as they are. */
const PLAIN_NUMBERS: ReadonlySet<string> = new Set(["int2", "int4", "int8", "numeric"]);

export function truncateTables(tables: readonly SqlTable[], restartIdentity: boolean): string {
  return `TRUNCATE ${tables.map(onlyTable).join(", ")}${restartIdentity ? " RESTART IDENTITY" : ""};\n`;
}

function onlyTable(table: SqlTable): string {
  return `${table.partitioned ? "" : "ONLY "}${qualifiedName(table)}`;
}

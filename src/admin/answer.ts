/** The types of the answers' columns, as PostgreSQL names them. */
export type ColumnType = "text" | "int8" | "int4" | "float8" | "bool" | "timestamptz";

/** By type: its OID and its size in bytes, -1 where that varies (pg_type.dat). */
export const TYPES: Readonly<Record<ColumnType, { readonly oid: number; readonly size: number }>> = {
  bool: { oid: 16, size: 1 },
  int8: { oid: 20, size: 8 },
  int4: { oid: 23, size: 4 },
  text: { oid: 25, size: -1 },
  float8: { oid: 701, size: 8 },
  timestamptz: { oid: 1184, size: 8 },
};

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** A value before it is written; undefined is NULL. */
export type Value = string | number | boolean | Date | undefined;

/** What a command answers. */
export interface Answer {
  /** Undefined: the command answers with no rows. */
  readonly table: Table | undefined;
  /** Of CommandComplete. */
  readonly tag: string;
  /** Sentences for the operator. */
  readonly notices: readonly string[];
}

export interface Table {
  readonly columns: readonly Column[];
  /** A value for each column. */
  readonly rows: readonly (readonly Value[])[];
}

/** Columns of a table and what each takes of a state: `column("id", "int8", (task) => task.id)`. */
export interface TableColumn<Row> extends Column {
  readonly of: (row: Row) => Value;
}

export function column<Row>(name: string, type: ColumnType, of: (row: Row) => Value): TableColumn<Row> {
  return { name, type, of };
}

/** A row for each of `rows`. */
export function tableOf<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[]): Table {
  return { columns: columns.map(({ name, type }) => ({ name, type })), rows: rows.map((row) => columns.map(({ of }) => of(row))) };
}

/** PostgreSQL's text of a value: `t`, `2026-01-15 10:32:01.042+00`. */
export function textOf(value: Value): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "boolean") return value ? "t" : "f";
  if (value instanceof Date) return value.toISOString().replace("T", " ").replace("Z", "+00");
  // A text value ends at a zero byte for most clients, and PostgreSQL has none in its own.
  return String(value).replaceAll("\u0000", "�");
}

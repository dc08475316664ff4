import type pg from "pg";
import { type TableName, tableId } from "../postgres/identifiers.js";
import type { Column } from "../postgres/catalog.js";

/** The source's columns that the shards have followed so far: their types (`format_type`) by their names, by `tableId`. */
export type KnownColumns = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** What a table is to be known by. */
export interface KnownTable extends TableName {
  readonly columns: readonly Pick<Column, "name" | "type">[];
}

/** Notes tables as they are where nothing is known of them yet; with `anew`, in place of what is. */
export async function noteKnownColumns(client: pg.Client, migration: string, tables: readonly KnownTable[], anew = false): Promise<void> {
  await client.query(
    `INSERT INTO reshard.known_columns (migration, table_schema, table_name, columns)
     SELECT $1, t ->> 'schema', t ->> 'name', t -> 'columns' FROM json_array_elements($2::json) AS t
     ON CONFLICT (migration, table_schema, table_name) DO ${anew ? "UPDATE SET columns = EXCLUDED.columns" : "NOTHING"}`,
    [migration, JSON.stringify(tables.map(({ schema, name, columns }) => ({ schema, name, columns: Object.fromEntries(columns.map((column) => [column.name, column.type])) })))],
  );
}

export async function readKnownColumns(client: pg.Client, migration: string): Promise<KnownColumns> {
  const { rows } = await client.query<{ schema: string; name: string; columns: Record<string, string> }>(
    "SELECT table_schema AS schema, table_name AS name, columns FROM reshard.known_columns WHERE migration = $1",
    [migration],
  );
  return new Map(rows.map((row) => [tableId(row), new Map(Object.entries(row.columns))]));
}

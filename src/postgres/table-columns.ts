import type pg from "pg";
import { OWN_SCHEMA } from "./catalog.js";
import { type TableName, tableId } from "./identifiers.js";

/** What a column is called and what it holds. */
export interface TableColumn {
  readonly name: string;
  readonly typeOid: number;
  /** `format_type`: `numeric(10,2)`; user-defined types by schema and name. */
  readonly type: string;
  /** The same without modifiers: `numeric`. */
  readonly typeName: string;
}

/** Columns of a server's tables: by `tableId`, then by name. */
export type TableColumns = ReadonlyMap<string, ReadonlyMap<string, TableColumn>>;

const COLUMNS_SQL = `
  SELECT n.nspname AS schema, c.relname AS table, a.attname AS name, a.atttypid::int8::float8 AS type_oid, format_type(a.atttypid, a.atttypmod) AS type, format_type(a.atttypid, NULL) AS type_name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', '${OWN_SCHEMA}')`;

/** Reads the columns of all tables of a database. */
export async function readTableColumns(client: pg.Client): Promise<TableColumns> {
  const tables = new Map<string, Map<string, TableColumn>>();
  const { rows } = await client.query<{ schema: string; table: string; name: string; type_oid: number; type: string; type_name: string }>({ name: "table columns", text: COLUMNS_SQL });
  for (const row of rows) {
    const id = tableId({ schema: row.schema, name: row.table } satisfies TableName);
    let columns = tables.get(id);
    if (columns === undefined) tables.set(id, (columns = new Map<string, TableColumn>()));
    columns.set(row.name, { name: row.name, typeOid: row.type_oid, type: row.type, typeName: row.type_name });
  }
  return tables;
}

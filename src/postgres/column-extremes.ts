import type pg from "pg";
import { qualifiedName, quoteIdentifier, type TableName, tableId } from "./identifiers.js";

export interface ColumnName extends TableName {
  readonly column: string;
}

/** A complete B-tree index that begins with the column gives its ends at once. */
const INDEXED_SQL = `
  SELECT DISTINCT n.nspname AS schema, c.relname AS name, a.attname AS column, c.relkind = 'p' AS partitioned
    FROM json_to_recordset($1) AS w (schema text, name text, "column" text)
    JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = w."column" AND NOT a.attisdropped
    JOIN pg_index i ON i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL
    JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'`;

/** Columns that one statement asks for. */
const COLUMNS_AT_ONCE = 100;

/** Least and largest value of integer columns, by `columnId`: none where there are no rows. Columns that no index leads to are left out. */
export async function readColumnExtremes(client: pg.Client, columns: readonly ColumnName[]): Promise<Map<string, bigint[]>> {
  const { rows: indexed } = await client.query<ColumnName & { partitioned: boolean }>(INDEXED_SQL, [JSON.stringify(columns.map(({ schema, name, column }) => ({ schema, name, column })))]);
  const found = new Map<string, bigint[]>();
  for (let from = 0; from < indexed.length; from += COLUMNS_AT_ONCE) {
    const some = indexed.slice(from, from + COLUMNS_AT_ONCE);
    const { rows } = await client.query<{ place: number; least: string | null; largest: string | null }>(
      some.map((column, place) => {
        const name = quoteIdentifier(column.column);
        return `SELECT ${place} AS place, min(${name})::text AS least, max(${name})::text AS largest FROM ${column.partitioned ? "" : "ONLY "}${qualifiedName(column)}`;
      }).join(" UNION ALL "),
    );
    for (const { place, least, largest } of rows) found.set(columnId(some[place]!), [least, largest].flatMap((value) => (value === null ? [] : [BigInt(value)])));
  }
  return found;
}

/** A key for maps. */
export function columnId(column: ColumnName): string {
  return `${tableId(column)}.${quoteIdentifier(column.column)}`;
}

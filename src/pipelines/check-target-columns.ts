import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import type { Migration } from "./migration.js";

const COLUMNS_SQL = `
  SELECT n.nspname AS schema, c.relname AS name, a.attname AS column, format_type(a.atttypid, NULL) AS type
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`;

/**
 * Binary values carry no type: a column of another type on a shard would refuse them at best and misread them at worst.
 * Fails with SCHEMA_DIFFERS, naming every table and column that is missing or different on the shard.
 */
export async function checkTargetColumns(migration: Migration, shard: ServerAddress): Promise<void> {
  const client = await migration.sessions.destination(shard, "journal");
  const onShard = new Map<string, Map<string, string>>();
  try {
    const { rows } = await client.query<{ schema: string; name: string; column: string; type: string }>(COLUMNS_SQL);
    for (const row of rows) {
      const columns = onShard.get(tableId(row)) ?? new Map<string, string>();
      onShard.set(tableId(row), columns.set(row.column, row.type));
    }
  } finally {
    await endQuietly(client);
  }
  const differences = migration.tables.flatMap((table) => {
    const columns = onShard.get(tableId(table));
    if (columns === undefined) return [`the table ${displayName(table)} is missing`];
    return table.columns.flatMap((column) => {
      const type = columns.get(column.name);
      if (type === undefined) return [`${displayName(table)}.${column.name} is missing`];
      return type === column.typeName ? [] : [`${displayName(table)}.${column.name} is ${type} instead of ${column.typeName}`];
    });
  });
  if (differences.length === 0) return;
  const more = differences.length > 10 ? ` and ${differences.length - 10} more` : "";
  throw new ReshardError("SCHEMA_DIFFERS", `${displayAddress(shard)}: ${differences.slice(0, 10).join("; ")}${more}.`, {
    place: { server: displayAddress(shard) },
    remedy: "Run `pg-reshard schema-sync` for the same databases, or change the shard's tables, and start again.",
  });
}

import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { Column, PublishedTable } from "../postgres/catalog.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import { isWidening } from "../postgres/widen-integer.js";
import type { Migration } from "./migration.js";

const COLUMNS_SQL = `
  SELECT n.nspname AS schema, c.relname AS name, a.attname AS column, a.atttypid::int8::float8 AS type_oid, format_type(a.atttypid, NULL) AS type
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`;

interface ShardColumn {
  readonly type_oid: number;
  readonly type: string;
}

/** Columns of a shard's tables: by `tableId`, then by name. */
type ShardColumns = ReadonlyMap<string, ReadonlyMap<string, ShardColumn>>;

/** The columns to widen in flight, by `tableId` of their table; tables without one are not in it. */
export type WidenedInFlight = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Binary values carry no type: a column of another type on a shard would refuse them at best and misread them at worst.
 * The one difference that is bridged is an int2 or int4 that is bigint on the shards, on all of them: those columns are
 * returned. Fails with SCHEMA_DIFFERS, naming every table and column that is missing or different on a shard.
 */
export async function checkTargetColumns(migration: Migration): Promise<WidenedInFlight> {
  const { shards, tables } = migration;
  const found = await Promise.all(shards.map((shard) => readColumns(migration, shard)));
  for (const [index, shard] of shards.entries()) refuse(shard, tables.flatMap((table) => differences(table, found[index]!)));
  const widened = new Map<string, Set<string>>();
  for (const table of tables) {
    const id = tableId(table);
    for (const column of table.columns) {
      const wide = found.map((columns) => widens(column, columns.get(id)!.get(column.name)!));
      if (!wide.includes(true)) continue;
      const other = wide.indexOf(false);
      if (other >= 0) refuse(shards[other]!, [`${displayName(table)}.${column.name} is ${column.typeName}, but bigint on ${displayAddress(shards[wide.indexOf(true)]!)}`]);
      widened.set(id, (widened.get(id) ?? new Set()).add(column.name));
    }
  }
  return widened;
}

async function readColumns(migration: Migration, shard: ServerAddress): Promise<ShardColumns> {
  const client = await migration.sessions.destination(shard, "journal");
  const tables = new Map<string, Map<string, ShardColumn>>();
  try {
    const { rows } = await client.query<ShardColumn & { schema: string; name: string; column: string }>(COLUMNS_SQL);
    for (const row of rows) tables.set(tableId(row), (tables.get(tableId(row)) ?? new Map<string, ShardColumn>()).set(row.column, row));
    return tables;
  } finally {
    await endQuietly(client);
  }
}

function differences(table: PublishedTable, onShard: ShardColumns): string[] {
  const columns = onShard.get(tableId(table));
  if (columns === undefined) return [`the table ${displayName(table)} is missing`];
  return table.columns.flatMap((column) => {
    const there = columns.get(column.name);
    if (there === undefined) return [`${displayName(table)}.${column.name} is missing`];
    return there.type === column.typeName || widens(column, there) ? [] : [`${displayName(table)}.${column.name} is ${there.type} instead of ${column.typeName}`];
  });
}

function widens(column: Column, there: ShardColumn): boolean {
  return isWidening(column.typeOid, there.type_oid);
}

function refuse(shard: ServerAddress, differences: readonly string[]): void {
  if (differences.length === 0) return;
  const more = differences.length > 10 ? ` and ${differences.length - 10} more` : "";
  throw new ReshardError("SCHEMA_DIFFERS", `${displayAddress(shard)}: ${differences.slice(0, 10).join("; ")}${more}.`, {
    place: { server: displayAddress(shard) },
    remedy: "Run `pg-reshard schema-sync` for the same databases, or change the shard's tables, and start again.",
  });
}

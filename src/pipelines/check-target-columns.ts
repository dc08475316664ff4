import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { Column, PublishedTable } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import { readTableColumns, type TableColumn, type TableColumns } from "../postgres/table-columns.js";
import { isWidening } from "../postgres/widen-integer.js";
import type { Migration } from "./migration.js";
import { listed } from "../words.js";

/** The columns to widen in flight, by `tableId` of their table; tables without one are not in it. */
export type WidenedInFlight = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Binary values carry no type: a column of another type on a shard would refuse them at best and misread them at worst.
 * The one difference that is bridged is an int2 or int4 that is bigint on the shards, on all of them: those columns are
 * returned, as they are called there. Fails with SCHEMA_DIFFERS, naming every table and column that is missing or different on a shard.
 */
export async function checkTargetColumns(migration: Migration, tables: readonly PublishedTable[]): Promise<WidenedInFlight> {
  const { shards } = migration;
  const found = await Promise.all(shards.map((shard) => readColumns(migration, shard)));
  for (const [index, shard] of shards.entries()) refuse(shard, tables.flatMap((table) => differences(table, migration.after(table), found[index]!)));
  const widened = new Map<string, Set<string>>();
  for (const table of tables) {
    const id = tableId(table);
    const after = migration.after(table);
    for (const column of after.columns.slice(0, table.columns.length)) {
      const wide = found.map((columns) => widens(column, columns.get(tableId(after))!.get(column.name)!));
      if (!wide.includes(true)) continue;
      const other = wide.indexOf(false);
      if (other >= 0) refuse(shards[other]!, [`${displayName(after)}.${column.name} is ${column.typeName}, but bigint on ${displayAddress(shards[wide.indexOf(true)]!)}`]);
      widened.set(id, (widened.get(id) ?? new Set()).add(column.name));
    }
  }
  return widened;
}

async function readColumns(migration: Migration, shard: ServerAddress): Promise<TableColumns> {
  return await migration.sessions.kept.use(shard, "journal", readTableColumns);
}

function differences(table: PublishedTable, after: PublishedTable, onShard: TableColumns): string[] {
  const columns = onShard.get(tableId(after));
  if (columns === undefined) return [`the table ${displayName(after)} is missing`];
  return after.columns.flatMap((column, index) => {
    const there = columns.get(column.name);
    if (there === undefined) return [`${displayName(after)}.${column.name} is missing`];
    // What an operator has made has the type that it gives it, and is written as that.
    if (index >= table.columns.length) return [];
    return there.typeName === column.typeName || widens(column, there) ? [] : [`${displayName(after)}.${column.name} is ${there.typeName} instead of ${column.typeName}`];
  });
}

function widens(column: Column, there: TableColumn): boolean {
  return isWidening(column.typeOid, there.typeOid);
}

function refuse(shard: ServerAddress, differences: readonly string[]): void {
  if (differences.length === 0) return;
  throw new ReshardError("SCHEMA_DIFFERS", `${displayAddress(shard)}: ${listed(differences, "; ")}.`, {
    place: { server: displayAddress(shard) },
    remedy: "Run `pg-reshard schema-sync` for the same databases, or change the shard's tables, and start again.",
  });
}

import type pg from "pg";
import { type TableName, tableId } from "../postgres/identifiers.js";
import { formatLsn, type Lsn, parseLsn } from "../postgres/lsn.js";

/** Whose progress: one migration's rows from one source shard. */
export interface ProgressKey {
  readonly migration: string;
  readonly sourceShard: number;
}

export interface TableProgress {
  /** Position of the snapshot that the copied rows show. */
  readonly snapshot: Lsn;
  readonly rows: number;
}

/** Notes that a table's rows are here; to be run in the transaction that brought them. */
export async function writeTableProgress(client: pg.Client, key: ProgressKey, table: TableName, progress: TableProgress): Promise<void> {
  await client.query(
    "INSERT INTO reshard.table_progress (migration, source_shard, table_schema, table_name, snapshot_lsn, rows) VALUES ($1, $2, $3, $4, $5, $6)",
    [key.migration, key.sourceShard, table.schema, table.name, formatLsn(progress.snapshot), progress.rows],
  );
}

/** The tables of one source shard that are on this shard, by `tableId`. */
export async function readTableProgress(client: pg.Client, key: ProgressKey): Promise<Map<string, TableProgress>> {
  const { rows } = await client.query<{ table_schema: string; table_name: string; snapshot_lsn: string; rows: string }>(
    "SELECT table_schema, table_name, snapshot_lsn, rows FROM reshard.table_progress WHERE migration = $1 AND source_shard = $2",
    [key.migration, key.sourceShard],
  );
  return new Map(rows.map((row) => [tableId({ schema: row.table_schema, name: row.table_name }), { snapshot: parseLsn(row.snapshot_lsn), rows: Number(row.rows) }]));
}

/** Forgets a table, whose rows somebody has removed. */
export async function forgetTableProgress(client: pg.Client, key: ProgressKey, table: TableName): Promise<void> {
  await client.query("DELETE FROM reshard.table_progress WHERE migration = $1 AND source_shard = $2 AND table_schema = $3 AND table_name = $4", [key.migration, key.sourceShard, table.schema, table.name]);
}

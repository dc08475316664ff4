import type pg from "pg";
import { formatLsn, type Lsn, parseLsn } from "../postgres/lsn.js";
import type { ProgressKey } from "./table-progress.js";

/** Notes how far a source shard's changes are applied here; to be run in the transaction that applied them. */
export async function writeStreamProgress(client: pg.Client, key: ProgressKey, applied: Lsn): Promise<void> {
  await client.query({
    name: "reshard_stream_progress",
    text: `INSERT INTO reshard.stream_progress (migration, source_shard, applied_lsn) VALUES ($1, $2, $3)
           ON CONFLICT (migration, source_shard) DO UPDATE SET applied_lsn = EXCLUDED.applied_lsn, applied_at = now()`,
    values: [key.migration, key.sourceShard, formatLsn(applied)],
  });
}

/** The position before which all changes of a source shard are applied here; 0 before the first. */
export async function readStreamProgress(client: pg.Client, key: ProgressKey): Promise<Lsn> {
  const { rows } = await client.query<{ applied_lsn: string }>(
    "SELECT applied_lsn FROM reshard.stream_progress WHERE migration = $1 AND source_shard = $2",
    [key.migration, key.sourceShard],
  );
  return rows[0] === undefined ? 0n : parseLsn(rows[0].applied_lsn);
}

import type { ServerAddress } from "../config/types.js";
import type { Lsn } from "../postgres/lsn.js";
import { readStreamProgress, writeStreamProgress } from "../progress/stream-progress.js";
import { readTableProgress, type TableProgress } from "../progress/table-progress.js";
import type { Migration } from "./migration.js";
import type { SourceShard } from "./source-shard.js";

/** What a shard has of a source shard. */
export interface ShardState {
  readonly applied: Lsn;
  /** By `tableId`. */
  readonly tables: ReadonlyMap<string, TableProgress>;
}

/** Reads it such that no former session can change it any more, nor a crash of the shard take it back. */
export async function shardState(migration: Migration, source: SourceShard, shard: ServerAddress): Promise<ShardState> {
  return await migration.sessions.kept.use(shard, "journal", async (client) => {
    await migration.sessions.fence(client, `apply ${source.number}`);
    const applied = await readStreamProgress(client, source.progress);
    // Its COMMIT may not have waited for the disk; this one does.
    await client.query("SET synchronous_commit = on");
    if (applied > 0n) await writeStreamProgress(client, source.progress, applied);
    return { applied, tables: await readTableProgress(client, source.progress) };
  });
}

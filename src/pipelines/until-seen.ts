import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";
import { readSeen, SEEN_TRANSACTIONS, seesAllOf, type SeenTransactions } from "../postgres/seen-transactions.js";
import type { SourceShard } from "./source-shard.js";

const POLL_MILLISECONDS = 10;
/** A standby that confirms commits takes moments; one that is gone is told of every so often. */
const PATIENCE_MILLISECONDS = 30_000;

/**
 * Waits until sessions of a source shard see enough. A commit is in the WAL, and sent by the slot, before it is seen: for
 * a moment, or for as long as it waits for a synchronous standby (CommitTransaction, access/transam/xact.c). Who looks
 * rows up for changes that came by the slot would find them as they were before.
 */
export async function untilSeen(client: pg.Client, server: ServerAddress, isEnough: (seen: SeenTransactions) => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MILLISECONDS;
  while (!isEnough(readSeen((await client.query<{ seen: string }>(SEEN_TRANSACTIONS)).rows[0]!.seen))) {
    if (Date.now() > deadline) {
      const place = displayAddress(server);
      throw new ReshardError("COMMIT_NOT_SEEN", `${place}: a commit that its slot has sent is not seen there yet.`, {
        kind: "retry",
        place: { server: place },
        remedy: "It waits for a synchronous standby: compare synchronous_standby_names with pg_stat_replication there.",
      });
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
}

/** Waits until a source shard's sessions see what the snapshot of this one shows. */
export async function untilSnapshotSeen(source: SourceShard, snapshot: pg.Client): Promise<void> {
  const there = readSeen((await snapshot.query<{ seen: string }>(SEEN_TRANSACTIONS)).rows[0]!.seen);
  await source.monitor((client) => untilSeen(client, source.address, (seen) => seesAllOf(seen, there)));
}

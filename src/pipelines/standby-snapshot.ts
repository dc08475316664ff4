import type pg from "pg";
import { defect } from "../errors.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { type Lsn, parseLsn } from "../postgres/lsn.js";
import { sqlState } from "../postgres/server-errors.js";
import { openStandbySnapshot } from "../sources/open-snapshot.js";
import type { CopyServer } from "./copy-server.js";
import type { Migration } from "./migration.js";
import { readSlot } from "./slot-state.js";
import type { SourceShard } from "./source-shard.js";

/** A snapshot on a standby of a source shard, not older than what the shard's permanent slot still sends. */
export async function standbySnapshot(migration: Migration, source: SourceShard, server: CopyServer, client: pg.Client): Promise<Lsn> {
  const { sessions, report, signal } = migration;
  const name = displayAddress(server.address);
  const slot = await source.monitor((primary) => readSlot(primary, source.slot));
  if (slot?.confirmed === undefined) throw defect(`tables are copied before the slot ${source.slot} is there`);
  const standby = await sessions.source(server.address, "monitor");
  let refusalTold = false;
  let lagTold = false;
  try {
    return await openStandbySnapshot(client, {
      notBefore: slot.confirmed,
      async replayed() {
        const { rows } = await standby.query<{ lsn: string | null }>("SELECT pg_last_wal_replay_lsn() AS lsn");
        return rows[0]!.lsn === null ? 0n : parseLsn(rows[0]!.lsn);
      },
      logRunningTransactions: () => source.monitor(async (primary) => {
        await primary.query("SELECT pg_log_standby_snapshot()").catch((cause: unknown) => {
          if (sqlState(cause) !== "42501" || refusalTold) return;
          refusalTold = true;
          report({ type: "note", message: `${name} waits until its primary logs the running transactions, which user "${source.address.user}" may not have it do: GRANT EXECUTE ON FUNCTION pg_log_standby_snapshot() TO ${primary.escapeIdentifier(source.address.user)};` });
        });
      }),
      onBehind(bytes) {
        if (!lagTold) report({ type: "note", message: `${name} is ${bytes} bytes of WAL behind; its tables are copied once it has caught up.` });
        lagTold = true;
      },
      signal,
    });
  } finally {
    await endQuietly(standby);
  }
}

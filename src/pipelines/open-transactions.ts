import { displayAddress } from "../postgres/connection.js";
import type { Migration } from "./migration.js";
import type { SourceShard } from "./source-shard.js";
import { pause } from "./with-retries.js";

const LOOK_MILLISECONDS = 1000;

/** Transactions that sessions of ours wait for: those of sessions, and prepared ones. */
const AWAITED_SQL = `
  SELECT DISTINCT w.transactionid::text AS transaction, a.pid, a.usename AS user, a.application_name AS application,
         to_char(COALESCE(p.prepared, a.xact_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS since, p.gid
    FROM pg_stat_activity own
    JOIN pg_locks w ON w.pid = own.pid AND w.locktype = 'transactionid' AND NOT w.granted
    LEFT JOIN pg_locks h ON h.locktype = 'transactionid' AND h.transactionid = w.transactionid AND h.granted
    LEFT JOIN pg_stat_activity a ON a.pid = h.pid
    LEFT JOIN pg_prepared_xacts p ON p.transaction = w.transactionid
   WHERE own.datname = current_database() AND starts_with(own.application_name, $1 || ' ')`;

interface AwaitedRow {
  transaction: string;
  pid: number | null;
  user: string | null;
  application: string | null;
  since: string | null;
  gid: string | null;
}

/** What is looked at: servers on which slots are made. */
type Watched = Pick<Migration, "sessions" | "report"> & { readonly sources: readonly Pick<SourceShard, "address">[] };

/**
 * Does something, and meanwhile tells of transactions on the source that it waits for. A new slot, and so every
 * snapshot, begins only once all transactions that wrote and were open before have ended, prepared ones too
 * (SnapBuildWaitSnapshot, replication/logical/snapbuild.c); without a word that would look like a hang.
 */
export async function tellingOpenTransactions<T>(migration: Watched, work: () => Promise<T>): Promise<T> {
  const over = new AbortController();
  const watching = migration.sources.map((source) => watch(migration, source, over.signal));
  try {
    return await work();
  } finally {
    over.abort();
    await Promise.all(watching);
  }
}

async function watch({ sessions, report }: Watched, source: Watched["sources"][number], over: AbortSignal): Promise<void> {
  const told = new Set<string>();
  for (;;) {
    await pause(LOOK_MILLISECONDS, over);
    if (over.aborted) break;
    try {
      const { rows } = await sessions.kept.use(source.address, "monitor", (client) => client.query<AwaitedRow>(AWAITED_SQL, [sessions.tag]));
      const fresh = rows.filter(({ transaction }) => !told.has(transaction));
      for (const { transaction } of fresh) told.add(transaction);
      if (fresh.length > 0) report({ type: "note", message: `${displayAddress(source.address)}: a snapshot waits for ${fresh.length === 1 ? "a transaction that was" : "transactions that were"} open before: ${fresh.map(shown).join("; ")}.` });
    } catch {
      // A lost connection fails the work itself where it matters; here it is only opened again.
    }
  }
}

function shown({ transaction, pid, user, application, since, gid }: AwaitedRow): string {
  const start = since === null ? "" : `, since ${since}`;
  if (gid !== null) return `the prepared transaction '${gid}'${start} (end it with COMMIT PREPARED or ROLLBACK PREPARED)`;
  if (pid === null) return `transaction ${transaction}`;
  return `that of session ${pid} (user ${user ?? "unknown"}${application === null || application === "" ? "" : `, ${application}`}${start})`;
}

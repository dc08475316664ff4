import { leaveTransaction, rollBackShards, rollBackTransaction } from "./end-transaction.js";
import type { SessionCore } from "./session-core.js";

/**
 * After a statement has failed: all shards are through with it, and the transaction is what PostgreSQL makes of it. An
 * explicit one waits for its ROLLBACK; without savepoints it is rolled back on the shards at once, so that nobody waits
 * for what it has locked. An implicit one is over.
 *
 * Fails where a shard is lost.
 */
export async function abandonStatement(core: SessionCore): Promise<void> {
  const { shards, transaction } = core;
  for (const session of shards.open) session.discardQueue();
  const results = await Promise.allSettled(shards.open.filter(({ busy }) => busy).map(async (session) => {
    // It may run for long, or wait for a lock.
    if (!session.failed) await session.cancel();
    await session.finish();
  }));
  const lost = results.find((result) => result.status === "rejected");
  if (lost !== undefined) throw lost.reason;
  // What was queued for a shard may have been its BEGIN.
  for (const session of shards.joined) if (session.status === "I") leaveTransaction(session);
  switch (transaction.mode) {
    case "none":
      return;
    case "implicit":
      await rollBackTransaction(core);
      return;
    case "explicit":
      transaction.failed = true;
      if (!transaction.hasSavepoints) await rollBackShards(core);
  }
}

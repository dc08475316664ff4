import { quoteLiteral, tableId, type TableName } from "../../postgres/identifiers.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";

/** Of the two halves of the advisory locks' keys that which says what they are for. */
const WRITERS = 0x72736f6d;

/**
 * Queues a lock that keeps other transactions from changing the same omnisharded tables until this one is over: two that
 * came in another order on each shard would leave different rows, even where their rows do not conflict, by what each of
 * them sees. The lock is the first shard's, which is committed last. It does not keep anybody from reading.
 *
 * (REPEATABLE READ and SERIALIZABLE: a transaction's snapshot may be older than its lock; rows that another has changed
 * since fail with 40001, but rows that it has added in between are not seen by a WHERE.)
 */
export function lockTables(core: SessionCore, first: ShardSession, tables: readonly TableName[]): void {
  core.transaction.changesEverywhere = true;
  // All writers take them in the same order.
  for (const table of tables.map(tableId).sort()) {
    if (core.lockedTables.has(table)) continue;
    core.lockedTables.add(table);
    first.queueOwn(`SELECT pg_catalog.pg_advisory_xact_lock(${WRITERS}, pg_catalog.hashtext(${quoteLiteral(table)}))`);
  }
}

import { randomBytes } from "node:crypto";
import type pg from "pg";
import { ReshardError } from "../errors.js";
import { quoteIdentifier } from "../postgres/identifiers.js";
import { formatLsn, type Lsn, parseLsn } from "../postgres/lsn.js";

/** What each session's slot is called. */
const slots = new WeakMap<pg.Client, string>();

/**
 * Begins a transaction that sees the database exactly at the returned position: the first commit that is *not* in the
 * snapshot has this LSN or a later one. The slot goes with the session.
 */
export async function openSnapshot(client: pg.Client): Promise<Lsn> {
  await client.query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ");
  const name = `reshard_snapshot_${randomBytes(8).toString("hex")}`;
  const { rows } = await client.query<{ consistent_point: string }>(
    `CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'use')`,
  );
  slots.set(client, name);
  return parseLsn(rows[0]!.consistent_point);
}

/** Drops the slot of a session's snapshot, whose transaction has ended: the session can be used for another. */
export async function dropSnapshot(client: pg.Client): Promise<void> {
  const name = slots.get(client);
  if (name === undefined) return;
  await client.query(`DROP_REPLICATION_SLOT ${quoteIdentifier(name)}`);
  slots.delete(client);
}

export interface StandbySnapshotOptions {
  /** The snapshot must not be older: before this position the stream brings no changes. */
  readonly notBefore: Lsn;
  /** Where the standby has replayed to. */
  readonly replayed: () => Promise<Lsn>;
  /** Has the primary log its running transactions (`pg_log_standby_snapshot`), for which a standby's slot waits. */
  readonly logRunningTransactions: () => Promise<void>;
  /** Told how many bytes the standby is behind, while that is waited for. */
  readonly onBehind: (bytes: number) => void;
  readonly signal: AbortSignal;
}

const POLL_MILLISECONDS = 100;
/** A primary that is busy logs its running transactions by itself every so often. */
const LOG_AFTER_MILLISECONDS = 1000;

/** The same on a standby, which may be behind, and whose slots wait for a record that an idle primary does not write. */
export async function openStandbySnapshot(client: pg.Client, options: StandbySnapshotOptions): Promise<Lsn> {
  const { notBefore, replayed, logRunningTransactions, onBehind, signal } = options;
  for (let position = await replayed(); position < notBefore; position = await replayed()) {
    signal.throwIfAborted();
    onBehind(Number(notBefore - position));
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
  let failed: unknown;
  const timer = setInterval(() => {
    logRunningTransactions().catch((error: unknown) => { failed = error; });
  }, LOG_AFTER_MILLISECONDS);
  // Where the primary may not be asked its own records have to do; the reason is told if even they do not come.
  const snapshot = await openSnapshot(client).catch((error: unknown) => {
    throw failed ?? error;
  }).finally(() => { clearInterval(timer); });
  if (snapshot >= notBefore) return snapshot;
  throw new ReshardError("REPLICA_BEHIND", `The standby's snapshot is of ${formatLsn(snapshot)}, before ${formatLsn(notBefore)} where the stream begins.`, {
    kind: "retry",
    remedy: "Try again once it has caught up.",
  });
}

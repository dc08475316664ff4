import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";
import { formatLsn, type Lsn, parseLsn } from "../postgres/lsn.js";
import { counted, listed } from "../words.js";
import { checkStopped } from "./interrupted.js";
import type { StreamedTransaction } from "./live-replication.js";
import type { Traffic } from "./traffic.js";

/** A session on a shard of the source. */
export interface OpenSource {
  readonly address: ServerAddress;
  readonly client: pg.Client;
}

/**
 * What a session for fences runs first: a commit of its own waits for the disk here, and not for standbys. It writes no
 * table, and so it may though it is read-only.
 */
export const FENCE_SESSION = "SET synchronous_commit = local";

/**
 * A message in the WAL, of a transaction that waits for the disk: everything that was committed before lies before it,
 * and has been flushed, so that the slot sends it at once. The insert position alone may stay in memory for long
 * (XLogBackgroundFlush, access/transam/xlog.c).
 */
const FENCE_SQL = "SELECT pg_logical_emit_message(true, 'pg-reshard'::text, 'cutover'::text)::text AS position";

/** Ends of application names that are ours: `Sessions`. */
const OWN_NAMES = "pg-reshard ";

/** Each transaction that has written holds its own id locked (XactLockTableInsert, storage/lmgr/lmgr.c); all roles see that. */
const WRITERS_SQL = `
  SELECT DISTINCT a.pid, a.usename AS user, a.application_name AS application, a.client_addr::text AS address
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
   WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND a.datname = current_database()
     AND a.backend_type IS DISTINCT FROM 'autovacuum worker' AND NOT starts_with(a.application_name, '${OWN_NAMES}')`;

const CONNECTED_SQL = `
  SELECT a.pid, a.usename AS user, a.application_name AS application, a.client_addr::text AS address FROM pg_stat_activity a
   WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND COALESCE(a.backend_type, 'client backend') = 'client backend'
     AND NOT starts_with(a.application_name, '${OWN_NAMES}') ORDER BY a.backend_start`;

const PREPARED_SQL = "SELECT transaction::text AS xid, gid, owner FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared";

interface Connected {
  readonly pid: number;
  readonly user: string | null;
  readonly application: string | null;
  readonly address: string | null;
}

interface Prepared {
  readonly xid: string;
  readonly gid: string;
  readonly owner: string;
}

const LOOK_MILLISECONDS = 5;

/**
 * The position before which everything lies that was committed on a source shard until now, when no transaction that wrote
 * something is open or prepared there any more.
 *
 * @param deadline milliseconds since 1970: such transactions are waited for until then
 * @throws ReshardError CUTOVER_BYPASSED, CUTOVER_PREPARED_TRANSACTIONS
 */
export async function takeFence(source: OpenSource, traffic: Traffic, deadline: number, signal: AbortSignal): Promise<Lsn> {
  for (;;) {
    // In one round trip: applications wait. In this order: what ends between two of these lies before the fence, and who
    // prepares a transaction between the first two has been seen as a writer.
    const results: unknown = await source.client.query(`${WRITERS_SQL}; ${PREPARED_SQL}; ${FENCE_SQL}`);
    const [writing, prepared, positions] = results as [pg.QueryResult<Connected>, pg.QueryResult<Prepared>, pg.QueryResult<{ position: string }>];
    const writers = writing.rows;
    if (writers.length === 0 && prepared.rows.length === 0) return parseLsn(positions.rows[0]!.position);
    if (Date.now() >= deadline || signal.aborted) {
      if (prepared.rows.length > 0) throw preparedThere(source, prepared.rows);
      const own = await traffic.processesOn(source.address);
      throw bypassed(source, `${writers.length === 1 ? "a transaction that wrote is" : `${writers.length} transactions that wrote are`} still open while the traffic is paused`, writers, own);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
  }
}

/**
 * A prepared transaction could be committed when the source has been left. Those of two-phase commits come and go all the
 * time, our gateway's own among them: only one that stays is in the way.
 *
 * @param patience milliseconds for which one may stay
 * @throws ReshardError CUTOVER_PREPARED_TRANSACTIONS
 */
export async function checkNothingStaysPrepared(source: OpenSource, patience: number, signal: AbortSignal): Promise<void> {
  const prepared = async (): Promise<Prepared[]> => (await source.client.query<Prepared>(PREPARED_SQL)).rows;
  const deadline = Date.now() + patience;
  for (let staying = await prepared(); staying.length > 0; ) {
    if (Date.now() >= deadline) throw preparedThere(source, staying);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
    checkStopped(signal);
    const there = new Set((await prepared()).map(({ xid }) => xid));
    staying = staying.filter(({ xid }) => there.has(xid));
  }
}

function preparedThere({ address }: OpenSource, rows: readonly Prepared[]): ReshardError {
  const server = displayAddress(address);
  return new ReshardError("CUTOVER_PREPARED_TRANSACTIONS", `${server} has ${counted(rows.length, "prepared transaction")}, which would be left behind: ${listed(rows.map(({ gid, owner }) => `'${gid}' of ${owner}`))}.`, {
    place: { server },
    remedy: "End them with COMMIT PREPARED or ROLLBACK PREPARED, then cut over again.",
  });
}

/** Somebody committed on a source shard after the fence: names those who are connected. */
export async function committedPastFence(source: OpenSource, traffic: Traffic, { commitLsn, xid }: StreamedTransaction): Promise<ReshardError> {
  const { rows } = await source.client.query<Connected>(CONNECTED_SQL);
  const own = await traffic.processesOn(source.address);
  return bypassed(source, `transaction ${xid} committed at ${formatLsn(commitLsn)}, while the traffic was paused`, rows, own);
}

function bypassed({ address }: OpenSource, what: string, connected: readonly Connected[], own: ReadonlySet<number> | undefined): ReshardError {
  const server = displayAddress(address);
  const others = connected.filter(({ pid }) => own?.has(pid) !== true);
  const who = others.length === 0 ? "Nobody is connected there any more." : `Connected there${own === undefined ? "" : " past it"}: ${listed(others.map(shown), "; ")}.`;
  return new ReshardError("CUTOVER_BYPASSED", `${server}: ${what}: somebody writes there past what was paused. ${who}`, {
    place: { server },
    remedy: "Lead all that writes through what is paused, or stop it; then cut over again.",
  });
}

function shown({ pid, user, application, address }: Connected): string {
  return `${application === null || application === "" ? "a session without application_name" : application} (user ${user ?? "unknown"}, ${address === null ? "local or hidden address" : `from ${address.replace(/\/\d+$/, "")}`}, process ${pid})`;
}

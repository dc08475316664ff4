import { WireError } from "../../wire/wire-error.js";
import { listenTo } from "./listen-to.js";
import { failure } from "./failure.js";
import type { SessionCore } from "./session-core.js";
import type { ShardSession } from "./shard-session.js";
import { together } from "./together.js";
import { commitInTwoPhases, type Participant } from "./two-phase-commit.js";

/**
 * Commits the client's transaction on all shards that take part in it.
 *
 * - Those that have only read are committed first: it can do no harm if the others fail then.
 * - One that has written is simply committed.
 * - Several are committed in two phases where `two_phase_commit = true`; else one after another, once all deferred
 *   constraints have been looked at. Where one of them fails after others were committed, the client is told which (40003).
 *
 * Fails with the shard's error: rolled back everywhere, if it does not say otherwise. With FATAL 08007 where a server was
 * lost during its COMMIT. The transaction is over in any case.
 */
export async function commitTransaction(core: SessionCore): Promise<void> {
  const { transaction, shards } = core;
  const joined = shards.joined;
  const changed = transaction.definesSchema && joined.some(({ written }) => written);
  const channels = transaction.channels(core.channels);
  try {
    await commitShards(core, joined);
    core.settings = transaction.committed(core.settings);
    for (const session of joined) {
      const applied = transaction.committed(session.applied);
      // The others are told when they are needed; so is this one, if it had a value of its own.
      if (applied === session.applied) continue;
      session.applied = applied;
      session.settings = undefined;
    }
  } finally {
    over(core);
  }
  await listenTo(core, channels);
  if (changed) await readCatalog(core);
}

/** Rolls the client's transaction back on all shards. What is left of it is ROLLBACK. */
export async function rollBackShards(core: SessionCore): Promise<void> {
  const joined = core.shards.joined;
  const results = await Promise.allSettled(joined.filter(({ status }) => status !== "I").map((session) => session.execute("ROLLBACK")));
  for (const session of joined) leaveTransaction(session);
  core.lockedTables.clear();
  core.schemaChanged();
  const lost = results.find((result) => result.status === "rejected");
  if (lost !== undefined) throw lost.reason;
}

/** Rolls back, and the transaction is over. */
export async function rollBackTransaction(core: SessionCore): Promise<void> {
  try {
    await rollBackShards(core);
  } finally {
    over(core);
  }
}

/** The schema has changed, and this session is to see that from its next statement on; others soon. */
export async function readCatalog(core: SessionCore): Promise<void> {
  await core.database.readCatalog().catch((error: unknown) => core.database.options.onError?.(core.context.database.name, error));
}

async function commitShards(core: SessionCore, joined: readonly ShardSession[]): Promise<void> {
  if (joined.length > 1) await findWriters(core, joined);
  const writers = joined.filter(({ written }) => written);
  const readers = joined.filter(({ written }) => !written);
  try {
    await together(readers, commitOne);
  } catch (error) {
    await Promise.allSettled(joined.filter(({ status }) => status !== "I").map((session) => session.execute("ROLLBACK")));
    throw error;
  }
  if (writers.length === 1) await commitOne(writers[0]!);
  if (writers.length < 2) return;
  if (core.database.options.twoPhaseCommit) await commitTwoPhases(core, writers);
  else await commitInSequence(core, writers);
}

/** A function may have written where the statement did not say so. */
async function findWriters(core: SessionCore, joined: readonly ShardSession[]): Promise<void> {
  try {
    await together(joined.filter(({ written }) => !written), async (session) => {
      const { rows } = await session.ask("SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL");
      session.written = rows[0]?.[0] === "t";
    });
  } catch (error) {
    await rollBackShards(core);
    throw error;
  }
}

async function commitOne(session: ShardSession): Promise<void> {
  let tag: string;
  try {
    tag = await session.execute("COMMIT");
  } catch (error) {
    if (!(error instanceof WireError) || !error.fatal) throw error;
    throw new WireError("08007", `shard ${session.shard} was lost during COMMIT: whether the transaction was committed is not known`, {
      severity: "FATAL",
      detail: error.message,
      hint: "Connect again and look whether the changes are there.",
      cause: error,
    });
  }
  if (tag !== "COMMIT") throw failure("40000", `the transaction could not be committed on shard ${session.shard}, and was rolled back`);
}

async function commitInSequence(core: SessionCore, writers: readonly ShardSession[]): Promise<void> {
  try {
    await together(writers, (session) => session.execute("SET CONSTRAINTS ALL IMMEDIATE"));
  } catch (error) {
    await rollBackShards(core);
    throw error;
  }
  // What the first has locked keeps other writers of omnisharded tables waiting until all others are done.
  const order = core.transaction.changesEverywhere ? [...writers.slice(1), writers[0]!] : writers;
  for (const [index, session] of order.entries()) {
    try {
      await commitOne(session);
    } catch (error) {
      const rest = order.slice(index + 1);
      const ended = await Promise.allSettled(rest.map((other) => other.execute("ROLLBACK")));
      throw index === 0 ? error : halfCommitted(order.slice(0, index), session, rest, error, ended.some(({ status }) => status === "rejected"));
    }
  }
}

function halfCommitted(committed: readonly ShardSession[], failed: ShardSession, rest: readonly ShardSession[], error: unknown, lost: boolean): WireError {
  const numbers = (sessions: readonly ShardSession[]): string => sessions.map(({ shard }) => shard).join(", ");
  const reason = error instanceof Error ? error.message : String(error);
  return new WireError("40003", `the transaction was committed on shard ${numbers(committed)}, but not on all`, {
    severity: lost || (error instanceof WireError && error.fatal) ? "FATAL" : "ERROR",
    detail: `Shard ${failed.shard}: ${reason}.${rest.length === 0 ? "" : ` Rolled back on shard ${numbers(rest)}.`}`,
    hint: "Repeat or undo what is missing by hand. With two_phase_commit = true a transaction is committed on all shards or on none.",
    cause: error,
  });
}

async function commitTwoPhases(core: SessionCore, writers: readonly ShardSession[]): Promise<void> {
  const { database, transaction } = core;
  let participants: Participant[];
  try {
    participants = await Promise.all(writers.map((session) => participant(core, session)));
  } catch (error) {
    await rollBackShards(core);
    throw error;
  }
  // Notifications and cursors cannot be prepared; where there are several shards with such, the server says so.
  const unpreparable = writers.findIndex((session) => session.unpreparable);
  const deciding = unpreparable >= 0 ? unpreparable : transaction.changesEverywhere ? participants.length - 1 : 0;
  const others = participants.filter((_, index) => index !== deciding);
  const outcome = await commitInTwoPhases({
    transaction: database.transactions.next(),
    decider: participants[deciding]!,
    others,
    ...(transaction.changesEverywhere && deciding !== 0 ? { last: participants[0]! } : {}),
  }).catch((error: unknown) => {
    // What may be left is finished at once, as far as it can be: it holds locks.
    if (!(error instanceof WireError) || error.fatal) recoverSoon(core);
    throw error;
  });
  if (outcome.kind === "committed") return;
  core.warn("01000", `the transaction is committed, but shard ${outcome.shards.join(", ")} could not be told yet`, "It is finished there as soon as that server can be reached; until then its rows are as before, and locked.");
  recoverSoon(core);
}

async function participant(core: SessionCore, session: ShardSession): Promise<Participant> {
  const identity = await core.database.identityOf(session.shard);
  if (identity === undefined) {
    throw failure("55000", `shard ${session.shard} cannot take part in a two-phase commit`, { detail: "The gateway's own session could not reach it, or may not make the table reshard.two_phase_decision there.", hint: "See the gateway's log." });
  }
  return { shard: session.shard, identity, execute: (...statements) => session.execute(...statements) };
}

function recoverSoon(core: SessionCore): void {
  const { database } = core;
  database.recover().catch((error: unknown) => database.options.onError?.(database.database.name, error));
}

function over(core: SessionCore): void {
  const { transaction, shards, statements, cursors } = core;
  for (const session of shards.open) leaveTransaction(session);
  transaction.end();
  statements.clearPortals();
  core.lockedTables.clear();
  core.schemaChanged();
  for (const [name, { hold }] of cursors) if (!hold) cursors.delete(name);
}

/** The session takes part in no transaction. */
export function leaveTransaction(session: ShardSession): void {
  session.joined = false;
  session.written = false;
  session.unpreparable = false;
  session.limited = false;
}

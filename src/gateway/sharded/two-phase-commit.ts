import { quoteLiteral } from "../../postgres/identifiers.js";
import { WireError } from "../../wire/wire-error.js";
import { formatGid } from "./two-phase-gid.js";

/** A shard's session with a transaction open that has written. */
export interface Participant {
  readonly shard: number;
  /** See `TwoPhaseShard`. */
  readonly identity: string;
  /**
   * Runs statements, each a transaction of its own where none is open, and gives the last one's tag.
   *
   * Fails with the server's error; with a fatal one where the server is lost.
   */
  execute(...statements: readonly string[]): Promise<string>;
}

/** Where a commit has got to; the names are in the order in which they come. */
export type TwoPhaseStep = "noted" | "prepared" | "all-prepared" | "decided" | "committed" | "all-committed";

export interface TwoPhaseCommit {
  /** See `TransactionNames`. */
  readonly transaction: string;
  /** Its own commit is the decision. */
  readonly decider: Participant;
  /** The others; committed in this order but for `last`. */
  readonly others: readonly Participant[];
  /** One of the others that is committed when all the rest are: what it has locked keeps others waiting until then. */
  readonly last?: Participant;
  /** Heard between the steps. For tests. */
  readonly onStep?: (step: TwoPhaseStep) => void;
}

/**
 * - `committed`: on all shards.
 * - `unfinished`: committed for good, and some shards could not be told yet: `recoverTwoPhase` tells them.
 */
export type TwoPhaseOutcome = { readonly kind: "committed" } | { readonly kind: "unfinished"; readonly shards: readonly number[]; readonly cause: unknown };

/**
 * Commits a transaction on several shards: on all, or on none, whatever dies in between.
 *
 * One of the shards, the decider, does not prepare: its own commit is the decision, since a row of
 * `reshard.two_phase_decision` is committed with it.
 *
 * ```
 *            decider D                              others P
 * 1 noted    INSERT the decision (uncommitted)
 * 2 prepared                                        PREPARE TRANSACTION, all at once
 * 3 decided  COMMIT: D's changes and the decision
 * 4 committed                                       COMMIT PREPARED
 * ```
 *
 * Whoever finds a prepared transaction (`recoverTwoPhase`) inserts the same row on D itself, in a transaction that it
 * rolls back: the row's primary key is the arbiter.
 * - The insert waits: D's transaction is still open, a coordinator is at work (or its connection is not known to be dead).
 *   Nothing is done; so a live coordinator is never overtaken.
 * - It finds the row: decided. COMMIT PREPARED.
 * - It succeeds: the row was noted before the first PREPARE, so D's transaction has been rolled back and can never
 *   decide again. ROLLBACK PREPARED.
 *
 * What a crash leaves behind, of the coordinator (C), D or a P, by the last step that was reached:
 * - before 2: no shard has anything prepared. The servers roll open transactions back when C's connections are gone.
 * - in 2, some prepared: C or P dead: D's transaction ends with its connection, or C rolls it back. Recovery rolls back.
 *   A P that crashed after it prepared still has it; one that crashed before has rolled back.
 * - in 3, COMMIT sent and no answer: D has committed both its changes and the decision, or neither. Recovery asks, and finds
 *   either. C does not know: its client is told so (08007), as of any connection that is lost during a COMMIT.
 * - in 4: decided. Recovery commits what is left, when its server is there again. The client was told COMMIT, or was lost.
 * - after 4: the row is left behind. Recovery deletes it when none of its shards has anything prepared.
 *
 * D's COMMIT has to be on disk before the first COMMIT PREPARED: `synchronous_commit = off` is overruled for it.
 * (A standby that is promoted without D's last commits loses decisions like any other commit.)
 *
 * Fails with the error of the shard that could not prepare or commit: rolled back on all then. With a FATAL 08007 where
 * the decider was lost during its commit: all or nothing, but which of them is not known here.
 */
export async function commitInTwoPhases({ transaction, decider, others, last, onStep = () => undefined }: TwoPhaseCommit): Promise<TwoPhaseOutcome> {
  const gidOf = ({ identity }: Participant): string => quoteLiteral(formatGid({ decider: decider.identity, transaction, identity }));
  const identities = others.map(({ identity }) => quoteLiteral(identity)).join(", ");
  try {
    await decider.execute(
      "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
      `SELECT reshard.decide_two_phase(${quoteLiteral(transaction)}, ARRAY[${identities}])`,
    );
  } catch (error) {
    await Promise.all([decider, ...others].map(rollBack));
    throw error;
  }
  onStep("noted");

  const prepared = await Promise.allSettled(others.map(async (other) => {
    const tag = await other.execute(`PREPARE TRANSACTION ${gidOf(other)}`);
    // As COMMIT, it rolls back what had failed.
    if (tag !== "PREPARE TRANSACTION") throw new WireError("40000", `the transaction could not be prepared on shard ${other.shard}`);
    onStep("prepared");
  }));
  const failed = prepared.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    await rollBack(decider);
    await Promise.all(others.map((other, index) => (prepared[index]!.status === "fulfilled" ? other.execute(`ROLLBACK PREPARED ${gidOf(other)}`).catch(() => undefined) : rollBack(other))));
    throw failed.reason;
  }
  onStep("all-prepared");

  try {
    const tag = await decider.execute("COMMIT");
    if (tag !== "COMMIT") throw new WireError("40000", `the transaction could not be committed on shard ${decider.shard}`);
  } catch (error) {
    if (error instanceof WireError && !error.fatal) {
      await Promise.all(others.map((other) => other.execute(`ROLLBACK PREPARED ${gidOf(other)}`).catch(() => undefined)));
      throw error;
    }
    throw new WireError("08007", `shard ${decider.shard} was lost during COMMIT: whether the transaction was committed is not known`, {
      severity: "FATAL",
      detail: `It is the same on all of its shards, ${[decider, ...others].map(({ shard }) => shard).join(", ")}: what is prepared there is finished when shard ${decider.shard} can be asked.`,
      hint: "Connect again and look whether the changes are there.",
      cause: error,
    });
  }
  onStep("decided");

  const unfinished = new Map<number, unknown>();
  const finish = async (other: Participant): Promise<void> => {
    try {
      await other.execute(`COMMIT PREPARED ${gidOf(other)}`);
      onStep("committed");
    } catch (error) {
      // 42704: it is gone. Recovery was faster, and what is decided can only have been committed.
      if (!(error instanceof WireError && error.sqlState === "42704")) unfinished.set(other.shard, error);
    }
  };
  await Promise.all(others.filter((other) => other !== last).map(finish));
  if (last !== undefined) await finish(last);
  onStep("all-committed");
  return unfinished.size === 0 ? { kind: "committed" } : { kind: "unfinished", shards: [...unfinished.keys()], cause: [...unfinished.values()][0] };
}

async function rollBack(participant: Participant): Promise<void> {
  // A server that is lost does so itself.
  await participant.execute("ROLLBACK").catch(() => undefined);
}

import { type ApplyStep, isEqualStep, type StepBatch } from "../../src/apply-step.js";
import type { SourceTransaction } from "../../src/change-batch.js";
import type { Random } from "../../src/demo/random.js";
import type { Batch, Receipt } from "../../src/flow.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { PgoutputRelation } from "../../src/postgres/pgoutput-message.js";
import { keyOnTwoShards } from "../../src/sinks/apply-owned-step.js";
import type { OwnedAnswer } from "../../src/sinks/owned-commands.js";
import { contestedOwnership, type RowOwnership } from "../../src/sinks/ownership.js";
import type { ApplyCommand, ApplyTransaction, CommandAnswer } from "../../src/sinks/apply-transaction.js";
import type { Row } from "../support/changes.js";
import type { Parts } from "./parts.js";
import { type Completion, type OwnedRun, type ShardTransaction, type SimulatedShard, UniqueViolation } from "./simulated-shard.js";
import { SteppedSink, type Steps } from "./stepped-sink.js";
import { ownerBytes } from "./tables.js";

/** A session's transaction on a shard, and a COMMIT that takes its time. */
class ShardSession {
  readonly #shard: SimulatedShard;
  readonly #commitsOnDisk: boolean;
  #transaction: ShardTransaction | undefined;
  #commitSent = false;

  constructor(shard: SimulatedShard, commitsOnDisk: boolean) {
    this.#shard = shard;
    this.#commitsOnDisk = commitsOnDisk;
  }

  get transaction(): ShardTransaction {
    return (this.#transaction ??= this.#shard.begin());
  }

  *commit(onDisk: boolean): Steps<void> {
    this.#commitSent = true;
    yield;
    this.#shard.commitsUnflushed();
    this.transaction.commit();
    if (onDisk && this.#commitsOnDisk) this.#shard.flush();
    this.#transaction = undefined;
    this.#commitSent = false;
    // The answer may be lost.
    yield;
  }

  /** What is open is rolled back; a COMMIT that was sent may still be carried out. */
  close(): void {
    if (this.#commitSent) this.#shard.adopt(this.#transaction!);
    else this.#transaction?.rollback();
    this.#transaction = undefined;
    this.#commitSent = false;
  }
}

export interface SessionOptions {
  readonly shard: SimulatedShard;
  readonly source: number;
  readonly commitsOnDisk: boolean;
}

export interface ApplySessionOptions extends SessionOptions {
  readonly transaction: Pick<ApplyTransaction, "commandsOf">;
  readonly completion: Omit<Completion, "untilSeen">;
  /** Waits until transactions of the source shard are seen there. */
  readonly untilSeen: (transactions: readonly SourceTransaction[]) => Steps<void>;
  readonly random: Random;
  readonly parts: Parts;
  /** Where several source shards bring rows of a relation: which are whose. */
  readonly ownershipOf: (relation: PgoutputRelation) => RowOwnership | undefined;
  readonly look: OwnedRun["look"];
}

/** `applyToShard`, its decisions being the real ones. */
export function applySession(options: ApplySessionOptions): SteppedSink<StepBatch> {
  const session = new ShardSession(options.shard, options.commitsOnDisk);
  const { ownershipOf, parts } = options;
  let transactions: readonly SourceTransaction[] = [];
  const completion: Completion = { ...options.completion, untilSeen: () => options.untilSeen(transactions) };
  const contests = (steps: readonly ApplyStep[]): boolean => steps.some((step) => parts.isContested(step, ownershipOf));

  function* run(step: ApplyStep, assumeNew: boolean): Steps<void> {
    if (step.kind === "truncate") {
      const shared = step.relations.filter((relation) => ownershipOf(relation) !== undefined);
      for (const relation of shared) yield* truncateOwn(relation, ownershipOf(relation)!);
      const others = step.relations.filter((relation) => !shared.includes(relation));
      if (others.length > 0) yield* session.transaction.run({ ...step, relations: others }, completion, false);
      return;
    }
    const ownership = contestedOwnership(step, ownershipOf);
    if (ownership === undefined || isEqualStep(step)) {
      yield* session.transaction.run(step, completion, assumeNew);
      return;
    }
    const commands = parts.ownedCommands(step, ownership);
    let answer: OwnedAnswer;
    for (;;) {
      const next = commands.next(answer);
      if (next.done === true) return;
      if (next.value.kind === "wait") throw keyOnTwoShards(step.rows.relation, []);
      answer = yield* session.transaction.perform(next.value, { column: ownership.column!.name, completion, look: options.look });
    }
  }

  function* truncateOwn(relation: PgoutputRelation, { column, isOwn }: RowOwnership): Steps<void> {
    yield;
    yield* session.transaction.truncateOwn(relation, (row) => !parts.truncatesOwn || isOwn(column && ownerBytes(relation.oid, row, column.name)));
  }

  function* perform(command: ApplyCommand): Steps<CommandAnswer> {
    yield;
    switch (command.kind) {
      case "apply":
        session.transaction.savepoint();
        try {
          for (const group of command.groups) {
            if (contests(group)) {
              yield* completion.untilSeen();
              if (parts.takesTurns) yield* session.transaction.takeTurn();
              for (const step of group) yield* run(step, command.assumeNew);
            } else yield* together(group.map((step) => run(step, command.assumeNew)), options.random);
          }
        } catch (error) {
          if (!(error instanceof UniqueViolation)) throw error;
          session.transaction.rollbackToSavepoint();
          return "conflict";
        }
        break;
      case "apply-one-by-one":
        if (contests(command.steps)) {
          yield* completion.untilSeen();
          if (parts.takesTurns) yield* session.transaction.takeTurn();
        }
        for (const step of command.steps) yield* run(step, false);
        break;
      case "commit":
        session.transaction.writeApplied(options.source, command.applied);
        yield* session.commit(command.onDisk);
        break;
      case "note":
        session.transaction.writeApplied(options.source, command.applied);
        yield* session.commit(true);
        break;
    }
    return "done";
  }

  return new SteppedSink(
    function* (batch: StepBatch, more: boolean): Steps<Receipt<Lsn>> {
      transactions = batch.transactions;
      const commands = options.transaction.commandsOf(batch, more);
      let answer: CommandAnswer = "done";
      for (;;) {
        const next = commands.next(answer);
        if (next.done === true) return next.value;
        answer = yield* perform(next.value);
      }
    },
    () => { session.close(); },
  );
}

/** What is sent at once is begun in order; what follows an answer comes in any order, behind all that was begun. */
function* together(all: readonly Steps<void>[], random: Random): Steps<void> {
  let waiting = all.filter((steps) => steps.next().done !== true);
  while (waiting.length > 0) {
    yield;
    const steps = random.pick(waiting);
    if (steps.next().done === true) waiting = waiting.filter((other) => other !== steps);
  }
}

/** Some rows of a copy on their way to one shard; the last has `resume`, the snapshot's position. */
export interface CopiedRows extends Batch<Lsn> {
  readonly oid: number;
  readonly rows: readonly Row[];
}

/** `copyIntoShard`: all rows in one transaction with the snapshot's position. */
export function copySession(options: SessionOptions & { readonly isSeen: () => boolean }): SteppedSink<CopiedRows> {
  const session = new ShardSession(options.shard, options.commitsOnDisk);
  return new SteppedSink(
    function* (batch: CopiedRows): Steps<Receipt<Lsn>> {
      yield;
      while (!options.isSeen()) yield;
      for (const row of batch.rows) session.transaction.insertCopied(batch.oid, row, options.source);
      if (batch.resume === undefined) return { taken: batch.sequence };
      session.transaction.writeSnapshot(`${options.source}.${batch.oid}`, batch.resume);
      yield* session.commit(true);
      return { taken: batch.sequence, durable: batch.resume };
    },
    () => { session.close(); },
  );
}

import { filter, map, pipe, tap } from "rxjs";
import type { StepBatch } from "../../src/apply-step.js";
import { Action, type ChangeBatch, type ShardChanges } from "../../src/change-batch.js";
import type { Batch, Receipt, Sink } from "../../src/flow.js";
import type { CopyDataFrames } from "../../src/postgres/copy-data-reader.js";
import { type Lsn, maxLsn } from "../../src/postgres/lsn.js";
import { EVERY_SHARD } from "../../src/sharding/table-route.js";
import { type ApplyCommand, ApplyTransaction, type CommandAnswer } from "../../src/sinks/apply-transaction.js";
import type { OwnedAnswer, OwnedCommand } from "../../src/sinks/owned-commands.js";
import type { Whereabouts } from "../../src/sinks/ownership.js";
import { StreamPacing } from "../../src/sources/stream-pacing.js";
import type { FoundFailure } from "./failure-of.js";
import { type Parts, REAL } from "./parts.js";

export interface Sabotage {
  /** As what it must show: rows that are not what they should be, nothing moving on, an error that the source never met. */
  readonly found: readonly FoundFailure["kind"][];
  /** It must be found within so many seeds: many times what it takes, lest other code or chances in between matter. */
  readonly within: number;
  /** A seed that has shown it, tried before the others: where these take seconds. Any other will do when it no longer does. */
  readonly shownBy?: number;
  readonly parts: Parts;
}

const MANY = 500;
/** For what takes several things to coincide; one seed in a hundred shows it. */
const MORE = 3000;
/** One in some thousands. */
const RARE = 20_000;

/** Mistakes that one could make, each the real code but for one thing. */
export const SABOTAGES: Readonly<Record<string, Sabotage>> = {
  // What the slot is told.
  "acknowledges what was received, not what is durable": { found: ["data"], within: MANY, parts: but({ pacing: (options) => new AcknowledgesReceived(options) }) },
  "acknowledges one byte more, which may be the next commit": { found: ["data"], within: MANY, parts: but({ pacing: (options) => new AcknowledgesOneMore(options) }) },
  "acknowledges what the fastest shard has": { found: ["data"], within: MANY, parts: but({ toShards: leastTakenMostDurable }) },
  "takes a large transaction as done with its first piece": { found: ["data"], within: MANY, parts: but({ pacing: (options) => new ResumesWithin(options) }) },
  "drops empty batches": { found: ["stall"], within: MANY, parts: but({ rewriteUpserts: (keyOf) => pipe(REAL.rewriteUpserts(keyOf), filter(({ steps }) => steps.length > 0)) }) },

  // What a shard commits, and when.
  "answers before the commit": { found: ["data"], within: MANY, parts: but({ transaction: () => new AnswersEarly() }) },
  "commits the progress before the data": { found: ["data"], within: MANY, parts: but({ transaction: () => new ProgressFirst() }) },
  "commits the pieces of a large transaction one by one": { found: ["data"], within: MANY, parts: but({ transaction: () => new CommitsPieces() }) },
  "answers commits that are not on disk": { found: ["data", "error"], within: MORE, parts: but({ commitsOnDisk: false }) },
  "runs the same steps again after a conflict": { found: ["error"], within: MORE, parts: but({ transaction: () => new RepeatsConflicts() }) },
  "sends truncates along with other steps": { found: ["data", "error"], within: MORE, parts: but({ transaction: () => new SendsAllAtOnce() }) },

  // What a shard leaves out.
  "skips the transaction that begins where the shard stands": { found: ["data"], within: MANY, parts: but({ skipApplied: (position) => REAL.skipApplied({ ...position, applied: position.applied + 1n }) }) },
  "skips the transaction right behind a snapshot": { found: ["data"], within: MANY, parts: but({ skipApplied: (position) => REAL.skipApplied({ ...position, snapshotOf: (relation) => position.snapshotOf(relation) + 1n }) }) },
  "forgets what the snapshots hold": { found: ["data"], within: MANY, parts: but({ skipApplied: ({ applied }) => REAL.skipApplied({ applied, snapshotOf: () => 0n }) }) },
  "forgets what is applied": { found: ["data"], within: MANY, parts: but({ skipApplied: (position) => REAL.skipApplied({ ...position, applied: 0n }) }) },

  // Rows that move.
  "deletes a moved row elsewhere only where its key changed": { found: ["data"], within: MANY, parts: but({ changesOfShard: deletesOnKeyChange }) },
  "does not complete rows that come from other shards": { found: ["data"], within: MANY, parts: but({ completes: false }) },
  "keeps every row that it has looked up": { found: ["data"], within: MANY, parts: but({ keepsOnlyItsOwn: false }) },

  // Rows of several source shards.
  "deletes without looking whose the row is": { found: ["data"], within: MANY, parts: but({ ownedCommands: (step, ownership) => REAL.ownedCommands(step, step.kind === "delete" ? { isOwn: () => true } : ownership) }) },
  "puts over what another source shard has": { found: ["data"], within: MANY, parts: but({ ownedCommands: (step, ownership) => REAL.ownedCommands(step, step.kind === "upsert" ? { isOwn: () => true } : ownership) }) },
  "deletes what another source shard has": { found: ["data"], within: MANY, parts: but({ ownedCommands: seeing({ otherwise: (seen) => ({ ...seen, elsewhere: false }), of: "delete" }) }) },
  "takes a row that is on both source shards": { found: ["data"], within: MANY, shownBy: 326, parts: but({ ownedCommands: seeing({ otherwise: (seen) => (seen.here && seen.elsewhere ? { here: true, elsewhere: false } : seen) }) }) },
  "leaves a row that is on both source shards": { found: ["data"], within: MANY, parts: but({ ownedCommands: seeing({ otherwise: (seen) => (seen.here && seen.elsewhere ? { here: false, elsewhere: true } : seen) }) }) },
  "leaves a row that is here only": { found: ["data"], within: MANY, parts: but({ ownedCommands: seeing({ otherwise: (seen) => (seen.here && !seen.elsewhere ? { here: false, elsewhere: true } : seen) }) }) },
  "takes a row that is elsewhere only": { found: ["data"], within: MANY, parts: but({ ownedCommands: seeing({ otherwise: (seen) => ({ ...seen, elsewhere: seen.here && seen.elsewhere }) }) }) },
  "does not complete rows that are not here, or as another's": { found: ["data"], within: MANY, parts: but({ ownedCommands: completesNone }) },
  "empties the table for all source shards": { found: ["data"], within: MANY, parts: but({ truncatesOwn: false }) },
  "keeps the copy of a source shard that has let the row go": { found: ["data"], within: MANY, parts: but({ keptDuplicate: (there) => (there.every(Boolean) ? REAL.keptDuplicate(there) : there.indexOf(false)) }) },
  "keeps the first copy where several source shards have the row": { found: ["data"], within: RARE, shownBy: 1713, parts: but({ keptDuplicate: (there) => Math.max(0, there.indexOf(true)) }) },
  "writes while another source shard's session does": { found: ["error", "data"], within: MORE, shownBy: 308, parts: but({ takesTurns: false }) },
  "empties tables while another source shard's session writes to them": { found: ["error", "data"], within: RARE, shownBy: 4700, parts: but({ isContested: (step, ownershipOf) => step.kind !== "truncate" && REAL.isContested(step, ownershipOf) }) },
  "looks rows up before what came by the stream is seen": { found: ["data"], within: MANY, parts: but({ waitsUntilSeen: false }) },
  "takes tables without sharding key from every source shard": { found: ["data", "error"], within: MANY, parts: but({ takesOnce: false }) },

  // Brought to a position, to be compared.
  "completes rows from what the source has by now": { found: ["data"], within: MORE, shownBy: 392, parts: but({ completesFromPosition: false }) },
  "goes on to the transaction that begins at the position": { found: ["data"], within: MANY, parts: but({ pacing: (options) => new StreamPacing({ ...options, stopAt: options.stopAt === undefined ? undefined : options.stopAt + 1n }) }) },

  // Starting again.
  "reads progress while former sessions still write": { found: ["data", "error"], within: MORE, parts: but({ fences: false }) },
  "trusts progress that is not on disk": { found: ["data", "error"], within: RARE, shownBy: 1726, parts: but({ progressToDisk: false }) },
  "makes the slot after the copies": { found: ["data"], within: MANY, parts: but({ slotFirst: false }) },
};

function but(parts: Partial<Parts>): Parts {
  return { ...REAL, ...parts };
}

class AcknowledgesReceived extends StreamPacing {
  override get feedback(): { received: Lsn; flushed: Lsn } {
    const { received } = super.feedback;
    return { received, flushed: received };
  }
}

class AcknowledgesOneMore extends StreamPacing {
  override get feedback(): { received: Lsn; flushed: Lsn } {
    const { received, flushed } = super.feedback;
    return { received, flushed: flushed === 0n ? flushed : flushed + 1n };
  }
}

class ResumesWithin extends StreamPacing {
  override batchOf(frames: CopyDataFrames): ChangeBatch {
    const batch = super.batchOf(frames);
    const last = batch.transactions.at(-1);
    return batch.resume !== undefined || last === undefined ? batch : { ...batch, resume: last.commitLsn + 1n };
  }
}

function leastTakenMostDurable<B extends Batch<Lsn>, S extends Batch<Lsn>>(split: (batch: B, shard: number) => S, sinks: readonly (Sink<S, Lsn> | undefined)[]): Sink<B, Lsn> {
  let most: Lsn = 0n;
  const watched = sinks.map((sink) => sink && pipe(sink, tap((receipt: Receipt<Lsn>) => { most = maxLsn(most, receipt.durable ?? 0n); })));
  return pipe(REAL.toShards(split, watched), map((receipt) => ({ ...receipt, durable: most })));
}

type Commands = Generator<ApplyCommand, Receipt<Lsn>, CommandAnswer>;

/** Commits with the next batch what it has called durable. */
class AnswersEarly {
  readonly #real = new ApplyTransaction();
  #owed: ApplyCommand | undefined;

  *commandsOf(batch: StepBatch, more: boolean): Commands {
    if (this.#owed !== undefined) yield this.#owed;
    this.#owed = undefined;
    const commands = this.#real.commandsOf(batch, more);
    let answer: CommandAnswer = "done";
    for (;;) {
      const next = commands.next(answer);
      if (next.done === true) return next.value;
      answer = "done";
      if (next.value.kind === "commit") this.#owed = next.value;
      else answer = yield next.value;
    }
  }
}

class ProgressFirst {
  readonly #real = new ApplyTransaction();

  *commandsOf(batch: StepBatch, more: boolean): Commands {
    if (batch.resume !== undefined && batch.steps.length > 0) yield { kind: "commit", applied: batch.resume, onDisk: true };
    return yield* this.#real.commandsOf(batch, more);
  }
}

class CommitsPieces {
  #applied: Lsn = 0n;

  *commandsOf(batch: StepBatch, more: boolean): Commands {
    const receipt = yield* new ApplyTransaction().commandsOf(batch, more);
    if (batch.resume !== undefined) this.#applied = batch.resume;
    else if (batch.steps.length > 0 && this.#applied > 0n) yield { kind: "commit", applied: this.#applied, onDisk: true };
    return receipt;
  }
}

class RepeatsConflicts {
  readonly #real = new ApplyTransaction();

  commandsOf(batch: StepBatch, more: boolean): Commands {
    return this.#real.commandsOf({ ...batch, oneByOne: () => batch.steps }, more);
  }
}

class SendsAllAtOnce {
  readonly #real = new ApplyTransaction();

  *commandsOf(batch: StepBatch, more: boolean): Commands {
    const commands = this.#real.commandsOf(batch, more);
    let answer: CommandAnswer = "done";
    for (;;) {
      const next = commands.next(answer);
      if (next.done === true) return next.value;
      answer = yield next.value.kind === "apply" ? { ...next.value, groups: [batch.steps] } : next.value;
    }
  }
}

type OwnedStep = Parameters<Parts["ownedCommands"]>;

/** Sees rows elsewhere than they are, for one kind of steps or for all. */
function seeing({ otherwise, of }: { readonly otherwise: (seen: Whereabouts) => Whereabouts; readonly of?: OwnedStep[0]["kind"] }): Parts["ownedCommands"] {
  return answering((step, command, answer) => (command.kind === "look" && (of ?? step.kind) === step.kind ? (answer as readonly Whereabouts[]).map(otherwise) : answer));
}

/** Carries out the real commands, but with other answers. */
function answering(change: (step: OwnedStep[0], command: OwnedCommand, answer: OwnedAnswer) => OwnedAnswer): Parts["ownedCommands"] {
  return function* (step, ownership) {
    const commands = REAL.ownedCommands(step, ownership);
    let next = commands.next();
    while (next.done !== true) next = commands.next(change(step, next.value, yield next.value));
  };
}

function completesNone(...parameters: OwnedStep): ReturnType<Parts["ownedCommands"]> {
  return answering((_, command, answer) => (command.kind === "complete" ? { ...command.rows, count: 0, offsets: new Int32Array() } : answer))(...parameters);
}

/** Leaves out the deletes of rows whose former shard an update does not tell, unless it tells a former key. */
function deletesOnKeyChange(...[batch, shard]: Parameters<Parts["changesOfShard"]>): ShardChanges {
  const part = REAL.changesOfShard(batch, shard);
  const kept = Array.from({ length: part.count }, (_, index) => index).filter((index) => {
    const change = part.changes[index]!;
    return part.actions[index] !== Action.Delete || batch.newTuples[change] === 0 || batch.oldShards[change] !== EVERY_SHARD || batch.oldTuples[change] !== 0;
  });
  return { ...part, count: kept.length, changes: Uint32Array.from(kept, (index) => part.changes[index]!), actions: Uint8Array.from(kept, (index) => part.actions[index]!) };
}

import type { ApplyStep, StepBatch } from "../apply-step.js";
import type { Receipt } from "../flow.js";
import type { Lsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";

/** One thing to do in a shard's session; the next is asked for once it is done. */
export type ApplyCommand =
  /**
   * Run these steps, in a new transaction where `begin`; group after group, the steps of a group all at once. Answered
   * with "conflict" where a unique constraint stood in the way: then nothing is left of them, and the transaction is open.
   * `assumeNew`: rows that were absent before still are, so that COPY will do; a row that was completed from the source
   * may have come ahead of its insert.
   */
  | { readonly kind: "apply"; readonly begin: boolean; readonly groups: readonly (readonly ApplyStep[])[]; readonly assumeNew: boolean }
  /** Run these in the open transaction, each after the one before. */
  | { readonly kind: "apply-one-by-one"; readonly steps: readonly ApplyStep[] }
  /**
   * Note in the open transaction that everything before this position is applied, and commit. `onDisk`: done once no
   * crash can undo it nor any commit before it, for the source then throws away what came before.
   */
  | { readonly kind: "commit"; readonly applied: Lsn; readonly onDisk: boolean }
  /** Note the position in a transaction of its own, without an open one; done once that and all before it are on disk. */
  | { readonly kind: "note"; readonly applied: Lsn };

export type CommandAnswer = "done" | "conflict";

/** Commits in a row that are not waited for on disk: much work would be done again after a crash, and the slot would lag. */
const MOST_UNFLUSHED = 4;

/** Decides for `applyToShard` what to run for each batch, and what to answer. It does no I/O. */
export class ApplyTransaction {
  #open = false;
  #unflushed = 0;

  /**
   * Batches come in order, each when the one before is through. Where a command fails, the session is over.
   *
   * @param more a further batch waits already: then its receipt may speak for this one too, and one wait for the disk
   * serves both
   */
  *commandsOf(batch: StepBatch, more: boolean): Generator<ApplyCommand, Receipt<Lsn>, CommandAnswer> {
    if (batch.relations.length > 0) {
      const groups = stepGroups(batch.steps);
      let answer = yield { kind: "apply", begin: !this.#open, groups, assumeNew: true };
      this.#open = true;
      if (answer === "conflict") answer = yield { kind: "apply", begin: false, groups, assumeNew: false };
      if (answer === "conflict") yield { kind: "apply-one-by-one", steps: batch.oneByOne() };
    }
    // A piece of a larger transaction: it commits with its last one.
    if (batch.resume === undefined) return { taken: batch.sequence };
    const onDisk = !more || this.#unflushed >= MOST_UNFLUSHED;
    if (this.#open) {
      yield { kind: "commit", applied: batch.resume, onDisk };
      this.#open = false;
      this.#unflushed = onDisk ? 0 : this.#unflushed + 1;
    } else if (onDisk && this.#unflushed > 0) {
      yield { kind: "note", applied: batch.resume };
      this.#unflushed = 0;
    }
    return this.#unflushed === 0 ? { taken: batch.sequence, durable: batch.resume } : { taken: batch.sequence };
  }
}

/**
 * Steps that may be sent without waiting for one another, so that the shard works while the next is encoded. What a step
 * sends after its first answer comes behind the others of its group then; within one no two steps write the same row, but
 * a deletion ahead of what puts the row in again. A TRUNCATE goes alone, and a table's new definition begins a group.
 */
export function stepGroups(steps: readonly ApplyStep[]): ApplyStep[][] {
  const groups: ApplyStep[][] = [];
  let group: ApplyStep[] = [];
  const relations = new Map<number, PgoutputRelation>();
  const close = (): void => {
    if (group.length > 0) groups.push(group);
    group = [];
    relations.clear();
  };
  for (const step of steps) {
    if (step.kind === "truncate") {
      close();
      groups.push([step]);
      continue;
    }
    const { relation } = step.rows;
    if ((relations.get(relation.oid) ?? relation) !== relation) close();
    relations.set(relation.oid, relation);
    group.push(step);
  }
  close();
  return groups;
}

import type { ApplyStep, StepBatch } from "../apply-step.js";
import type { Receipt } from "../flow.js";
import type { Lsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";

/** One thing to do in a shard's session; the next is asked for once it is done. */
export type ApplyCommand =
  /**
   * Run these steps, in a new transaction where `begin`; group after group, the steps of a group all at once. Answered
   * with "conflict" where a unique constraint stood in the way: then nothing is left of them, and the transaction is open.
   */
  | { readonly kind: "apply"; readonly begin: boolean; readonly groups: readonly (readonly ApplyStep[])[] }
  /** Run these in the open transaction, each after the one before. */
  | { readonly kind: "apply-one-by-one"; readonly steps: readonly ApplyStep[] }
  /**
   * Note in the open transaction that everything before this position is applied, and commit. Done once no crash can
   * undo it: the source then throws away what came before.
   */
  | { readonly kind: "commit"; readonly applied: Lsn };

export type CommandAnswer = "done" | "conflict";

/** Decides for `applyToShard` what to run for each batch, and what to answer. It does no I/O. */
export class ApplyTransaction {
  #open = false;

  /** Batches come in order, each when the one before is through. Where a command fails, the session is over. */
  *commandsOf(batch: StepBatch): Generator<ApplyCommand, Receipt<Lsn>, CommandAnswer> {
    if (batch.steps.length > 0) {
      const answer = yield { kind: "apply", begin: !this.#open, groups: stepGroups(batch.steps) };
      this.#open = true;
      if (answer === "conflict") yield { kind: "apply-one-by-one", steps: batch.oneByOne() };
    }
    // A piece of a larger transaction: it commits with its last one.
    if (batch.resume === undefined) return { taken: batch.sequence };
    if (this.#open) {
      yield { kind: "commit", applied: batch.resume };
      this.#open = false;
    }
    return { taken: batch.sequence, durable: batch.resume };
  }
}

/**
 * Steps that may be sent without waiting for one another, so that the shard works while the next is encoded. What a step
 * sends after its first answer comes behind the others of its group then; within one no two steps write the same row, but
 * a deletion ahead of what puts the row in again. A key change or TRUNCATE goes alone, and a table's new definition
 * begins a group.
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
    if (step.kind === "truncate" || step.kind === "change-key") {
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

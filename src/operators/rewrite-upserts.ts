import { map } from "rxjs";
import type { ApplyStep, StepBatch } from "../apply-step.js";
import { Action, NO_TUPLE, type ShardChanges } from "../change-batch.js";
import type { Operator } from "../flow.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { ChangeFold } from "./change-fold.js";
import { EqualRowsFold } from "./equal-rows-fold.js";
import { TableFold } from "./table-fold.js";

/**
 * Turns one shard's changes into a few set-based statements: what happens to one key within a batch is folded to its
 * net effect, and inserts become upserts. Of a table without key (REPLICA IDENTITY FULL) each change means one of the
 * rows that equal the old one.
 *
 * ```
 * in   [I 1][I 2][U 1][D 2][U 3 with unchanged TOAST]
 * out  delete {2}, upsert {1}, update {3: the columns sent}
 * ```
 *
 * @param keyOf the columns that name a row of a relation, by name; none where only all of them together do
 * @example
 * part$.pipe(skipApplied(position), rewriteUpserts((relation) => relation.columns.filter((c) => c.partOfKey).map((c) => c.name)))
 */
export function rewriteUpserts(keyOf: (relation: PgoutputRelation) => readonly string[]): Operator<ShardChanges, StepBatch> {
  return map((part: ShardChanges) => ({
    sequence: part.sequence,
    bytes: part.bytes,
    ...(part.resume === undefined ? {} : { resume: part.resume }),
    transactions: part.batch.transactions,
    relations: part.count === 0 ? [] : part.batch.relations,
    steps: rewrite(part, keyOf, true),
    oneByOne: () => rewrite(part, keyOf, false),
  }));
}

function rewrite(part: ShardChanges, keyOf: (relation: PgoutputRelation) => readonly string[], fold: boolean): ApplyStep[] {
  const { batch } = part;
  const steps: ApplyStep[] = [];
  let folds = new Map<PgoutputRelation, ChangeFold>();
  const keyColumns = new Map<PgoutputRelation, readonly number[]>();
  const columnsOfKey = (relation: PgoutputRelation): readonly number[] => {
    let columns = keyColumns.get(relation);
    if (columns === undefined) {
      columns = keyOf(relation).map((name) => relation.columns.findIndex((column) => column.name === name));
      keyColumns.set(relation, columns);
    }
    return columns;
  };
  const flush = (): void => {
    for (const table of folds.values()) steps.push(...table.steps());
    folds = new Map();
  };
  const foldOf = (relation: PgoutputRelation): ChangeFold => {
    let table = folds.get(relation);
    if (table === undefined) {
      // The table's definition changed within the batch: what came under the old one goes first. That of other tables stays
      // together: two steps of one fold never write the same row, those of two may.
      for (const [other, former] of folds) {
        if (other.oid !== relation.oid) continue;
        steps.push(...former.steps());
        folds.delete(other);
      }
      const key = columnsOfKey(relation);
      table = key.length === 0 ? new EqualRowsFold(relation, batch.buffer) : new TableFold(relation, key, batch.buffer);
      folds.set(relation, table);
    }
    return table;
  };

  for (let index = 0; index < part.count; index++) {
    const change = part.changes[index]!;
    const relation = batch.relations[batch.relationOf[change]!]!;
    const oldTuple = batch.oldTuples[change]!;
    const newTuple = batch.newTuples[change]!;
    const action = part.actions[index]! as Action;
    switch (action) {
      case Action.Upsert:
        foldOf(relation).upsert(newTuple);
        break;
      case Action.Delete:
        foldOf(relation).delete(oldTuple === NO_TUPLE ? newTuple : oldTuple);
        break;
      case Action.Update:
      case Action.UpdateAnywhere:
      case Action.Arrive:
        foldOf(relation).update(oldTuple, batch.oldTupleIsRow[change] === 1, newTuple, action);
        break;
      case Action.Truncate: {
        flush();
        const message = batch.truncates.get(change)!;
        const relations = [relation];
        // The tables of one TRUNCATE go together: foreign keys between them would forbid one alone.
        while (index + 1 < part.count && batch.truncates.get(part.changes[index + 1]!) === message) {
          index++;
          relations.push(batch.relations[batch.relationOf[part.changes[index]!]!]!);
        }
        steps.push({ kind: "truncate", relations, cascade: message.cascade, restartIdentity: message.restartIdentity });
        break;
      }
    }
    if (!fold) flush();
  }
  flush();
  return steps;
}

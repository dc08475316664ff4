import { map } from "rxjs";
import type { ShardChanges } from "../change-batch.js";
import type { Operator } from "../flow.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { Lsn } from "../postgres/lsn.js";

export interface ShardPosition {
  /** Every transaction that committed before it is on the shard. */
  readonly applied: Lsn;
  /** The copied rows of this table hold every transaction that committed before it; 0 where nothing was copied. */
  snapshotOf(relation: PgoutputRelation): Lsn;
}

/**
 * Leaves out what a shard has already: transactions it applied before a restart, and changes that a table's snapshot
 * holds. Both are decided by the commit's position, and the one exactly at it is not held yet.
 *
 * ```
 * in   [T1: a b][T2: a b][T3: a b]      table a copied before T3, b before T1
 * out  [    b  ][    b  ][a b    ]
 * ```
 *
 * @example
 * part$.pipe(skipApplied({ applied: await readStreamProgress(shard, key), snapshotOf }))
 */
export function skipApplied(position: ShardPosition): Operator<ShardChanges> {
  return map((part: ShardChanges) => {
    const { batch } = part;
    const snapshots = batch.relations.map((relation) => position.snapshotOf(relation));
    const newest = snapshots.reduce((a, b) => (a > b ? a : b), position.applied);
    // Commits come in order: once the first is past everything, so are all.
    if (batch.transactions.length === 0 || batch.transactions[0]!.commitLsn >= newest) return part;
    const changes = new Uint32Array(part.count);
    const actions = new Uint8Array(part.count);
    let count = 0;
    for (let index = 0; index < part.count; index++) {
      const change = part.changes[index]!;
      const { commitLsn } = batch.transactions[batch.transactionOf[change]!]!;
      if (commitLsn < position.applied || commitLsn < snapshots[batch.relationOf[change]!]!) continue;
      changes[count] = change;
      actions[count] = part.actions[index]!;
      count++;
    }
    return { ...part, count, changes, actions };
  });
}

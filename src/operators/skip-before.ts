import { map } from "rxjs";
import type { ChangeBatch } from "../change-batch.js";
import type { Operator } from "../flow.js";
import type { Lsn } from "../postgres/lsn.js";
import { ChangeList } from "./change-list.js";

/**
 * Leaves out the transactions that committed before a position: a sink has them already, and the source did not learn of it.
 *
 * ```
 * in   [T1: a b][T2: a b]      T1 committed before the position
 * out  [        ][T2: a b]
 * ```
 */
export function skipBefore(position: Lsn): Operator<ChangeBatch> {
  return map((batch) => {
    const { transactions, transactionOf } = batch;
    // Commits come in order: once the first is past it, so are all.
    if (transactions.length === 0 || transactions[0]!.commitLsn >= position) return batch;
    const list = new ChangeList(batch);
    for (let change = 0; change < batch.count; change++) if (transactions[transactionOf[change]!]!.commitLsn >= position) list.keep(change);
    return list.batch(batch.buffer, batch.relations);
  });
}

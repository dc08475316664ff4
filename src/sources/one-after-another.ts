import { concat, defer, map } from "rxjs";
import type { Source } from "../flow.js";
import type { Lsn } from "../postgres/lsn.js";
import type { RowBatch } from "../row-batch.js";

/**
 * Rows of several sources as those of one: batches are counted through, and only the last of all carries `resume`.
 *
 * ```
 * in   0--1r|   0--1--2r|
 * out  0--1-----2--3--4r|
 * ```
 */
export function oneAfterAnother(sources: readonly Source<RowBatch, Lsn>[]): Source<RowBatch, Lsn> {
  return (receipts$) =>
    defer(() => {
      let next = 0;
      return concat(
        ...sources.map((source, index) =>
          defer(() => {
            const first = next;
            return source(receipts$.pipe(map((receipt) => ({ ...receipt, taken: receipt.taken - first })))).pipe(
              map(({ resume, ...batch }): RowBatch => {
                next = first + batch.sequence + 1;
                return { ...batch, sequence: first + batch.sequence, ...(resume === undefined || index < sources.length - 1 ? {} : { resume }) };
              }),
            );
          }),
        ),
      );
    });
}

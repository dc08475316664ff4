import { type ChangeBatch, NO_TUPLE, TRUNCATE } from "../change-batch.js";
import { locateTuples } from "../operators/locate-values.js";
import type { Lsn } from "../postgres/lsn.js";
import { displayName } from "../postgres/identifiers.js";
import { ABSENT_VALUE, NULL_VALUE } from "../value-column.js";
import { textOf } from "./test-rows.js";
import type { TestTable } from "./test-table.js";

/** A change with its values as PostgreSQL prints them; what a tuple does not tell is undefined. */
export interface ShownChange {
  readonly kind: "insert" | "update" | "delete" | "truncate";
  readonly table: string;
  readonly oid: number;
  readonly commitLsn: Lsn;
  readonly old: readonly (string | null | undefined)[] | undefined;
  readonly row: readonly (string | null | undefined)[] | undefined;
}

const KINDS: Readonly<Record<number, ShownChange["kind"]>> = { 0x49: "insert", 0x55: "update", 0x44: "delete", 0x54: "truncate" };

/** The changes of a batch, to be read and compared. @param tableOf - tables by their OID, as operators have left them */
export function shownChanges(batch: ChangeBatch, tableOf: (oid: number) => TestTable): ShownChange[] {
  return Array.from({ length: batch.count }, (_, change): ShownChange => {
    const relation = batch.relations[batch.relationOf[change]!]!;
    const table = tableOf(relation.oid);
    const isTruncate = batch.kinds[change] === TRUNCATE;
    const tuple = (at: number, isKey: boolean): ShownChange["row"] => {
      if (isTruncate || at === NO_TUPLE) return undefined;
      const carries = Uint8Array.from(table.columns, ({ key }) => (isKey && key !== true ? 0 : 1));
      const { buffer, offsets, lengths, texts } = locateTuples(batch.buffer, Uint32Array.of(at), table.columns.length, carries);
      return table.columns.map((column, place) => {
        if (lengths[place] === NULL_VALUE) return null;
        if (lengths[place] === ABSENT_VALUE) return undefined;
        return textOf(column, buffer.subarray(offsets[place], offsets[place]! + lengths[place]!), texts[place] === 1 ? "text" : "binary");
      });
    };
    return {
      kind: KINDS[batch.kinds[change]!]!,
      table: displayName(relation),
      oid: relation.oid,
      commitLsn: batch.transactions[batch.transactionOf[change]!]!.commitLsn,
      old: tuple(batch.oldTuples[change]!, batch.oldTupleIsRow[change] === 0),
      row: tuple(batch.newTuples[change]!, false),
    };
  });
}

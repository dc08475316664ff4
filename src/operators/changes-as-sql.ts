import { defer, map } from "rxjs";
import type { ChangeBatch } from "../change-batch.js";
import type { Operator } from "../flow.js";
import { formatLsn, type Lsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { TextBatch } from "../text-batch.js";
import { type ChangedTable, ChangeTexts, type TextChange } from "./change-texts.js";
import { SqlOfRows, truncateTables } from "./sql-of-rows.js";
import { textBatchOf } from "./text-batch-of.js";

/**
 * Writes changes as statements by key, each of the source's transactions as one.
 *
 * ```
 * in   [I 1 'a'][U 1 'b'][D 1]
 * out  BEGIN; -- 0/1A2B
 *      INSERT INTO "public"."t" ("id", "a") VALUES (1, 'a');
 *      UPDATE ONLY "public"."t" SET "id" = 1, "a" = 'b' WHERE "id" = 1;
 *      DELETE FROM ONLY "public"."t" WHERE "id" = 1;
 *      COMMIT;
 * ```
 */
export function changesAsSql(describe: (relation: PgoutputRelation) => ChangedTable): Operator<ChangeBatch, TextBatch> {
  return (batches$) =>
    defer(() => {
      const changes = new ChangeTexts(describe);
      const writers = new Map<ChangedTable, SqlOfRows>();
      const writerOf = (table: ChangedTable): SqlOfRows => {
        let writer = writers.get(table);
        if (writer === undefined) writers.set(table, (writer = new SqlOfRows(table)));
        return writer;
      };
      /** The commit position of the transaction that was begun. */
      let open: Lsn | undefined;
      return batches$.pipe(
        map((batch: ChangeBatch) => {
          let text = "";
          const commit = (): void => {
            if (open !== undefined) text += "COMMIT;\n";
            open = undefined;
          };
          changes.each(batch, (change) => {
            const { commitLsn } = change.transaction;
            if (open !== commitLsn) {
              commit();
              text += `BEGIN; -- ${formatLsn(commitLsn)}\n`;
              open = commitLsn;
            }
            text += statementOf(change, writerOf(change.table));
          });
          // Else the batch ends within a transaction.
          if (batch.resume !== undefined) commit();
          return textBatchOf(batch, text);
        }),
      );
    });
}

function statementOf(change: TextChange, writer: SqlOfRows): string {
  switch (change.kind) {
    case "insert":
      return writer.insert([change.after]);
    case "update":
      return writer.update(change.before ?? change.after, change.after);
    case "delete":
      return writer.delete(change.before);
    case "truncate":
      return truncateTables(change.tables, change.restartIdentity);
  }
}

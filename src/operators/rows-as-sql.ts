import { map } from "rxjs";
import type { Operator } from "../flow.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch } from "../row-batch.js";
import type { TextBatch } from "../text-batch.js";
import { SqlOfRows, type SqlTable } from "./sql-of-rows.js";
import { textBatchOf } from "./text-batch-of.js";
import { type ValueText, ValueTexts } from "./value-texts.js";

/** Fewer statements are run faster, and one that fails should still be readable. */
const ROWS_OF_STATEMENT = 100;

/**
 * Writes rows as INSERT statements.
 *
 * ```
 * in   [1 'it''s'][2 NULL]
 * out  INSERT INTO "public"."t" ("id", "a") VALUES
 *      (1, 'it''s'),
 *      (2, NULL);
 * ```
 */
export function rowsAsSql(table: SqlTable, format: ValueFormat): Operator<RowBatch, TextBatch> {
  const texts = new ValueTexts(table.columns);
  const sql = new SqlOfRows(table);
  return map((batch: RowBatch) => {
    let statements = "";
    let rows: (readonly ValueText[])[] = [];
    const flush = (): void => {
      if (rows.length > 0) statements += sql.insert(rows);
      rows = [];
    };
    texts.eachRow(batch, format, (values) => {
      rows.push(values);
      if (rows.length === ROWS_OF_STATEMENT) flush();
    });
    flush();
    return textBatchOf(batch, statements);
  });
}

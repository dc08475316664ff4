import { map } from "rxjs";
import type { Operator } from "../flow.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch } from "../row-batch.js";
import type { TextBatch } from "../text-batch.js";
import { textBatchOf } from "./text-batch-of.js";
import { type TypedColumn, ValueTexts } from "./value-texts.js";

/**
 * Writes rows as CSV, as PostgreSQL's COPY does: NULL is nothing at all, and the empty text is `""`.
 *
 * ```
 * in   [1 'a, b'][2 NULL][3 '']
 * out  1,"a, b"
 *      2,
 *      3,""
 * ```
 */
export function rowsAsCsv(columns: readonly TypedColumn[], format: ValueFormat): Operator<RowBatch, TextBatch> {
  const texts = new ValueTexts(columns);
  return map((batch: RowBatch) => {
    let lines = "";
    texts.eachRow(batch, format, (values) => { lines += csvLine(values); });
    return textBatchOf(batch, lines);
  });
}

/** A line with its end; null and undefined are NULL. */
export function csvLine(values: readonly (string | null | undefined)[]): string {
  return `${values.map(csvField).join(",")}\n`;
}

/** As CopyAttributeOutCSV (commands/copyto.c) writes it; `\.` alone in a line would end the data where it is read. */
function csvField(value: string | null | undefined): string {
  if (value === null || value === undefined) return "";
  return value === "" || value === "\\." || /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

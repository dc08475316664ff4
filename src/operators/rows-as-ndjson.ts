import { map } from "rxjs";
import type { Operator } from "../flow.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch } from "../row-batch.js";
import type { TextBatch } from "../text-batch.js";
import { jsonOf } from "./json-value.js";
import { textBatchOf } from "./text-batch-of.js";
import { type TypedColumn, type ValueText, ValueTexts } from "./value-texts.js";

/**
 * Writes rows as JSON, one object a line, as PostgreSQL's `row_to_json` does.
 *
 * ```
 * in   [1 'a@b.c'][2 NULL]
 * out  {"id":1,"email":"a@b.c"}
 *      {"id":2,"email":null}
 * ```
 */
export function rowsAsNdjson(columns: readonly TypedColumn[], format: ValueFormat): Operator<RowBatch, TextBatch> {
  const texts = new ValueTexts(columns);
  const objectOf = jsonObject(columns);
  return map((batch: RowBatch) => {
    let lines = "";
    texts.eachRow(batch, format, (values) => { lines += `${objectOf(values)}\n`; });
    return textBatchOf(batch, lines);
  });
}

/** A row as a JSON object, without what it does not carry. */
export function jsonObject(columns: readonly TypedColumn[]): (values: readonly ValueText[]) => string {
  const writers = columns.map(({ type }) => jsonOf(type));
  const names = columns.map(({ name }) => `${JSON.stringify(name)}:`);
  return (values) => {
    let object = "";
    for (let column = 0; column < values.length; column++) {
      const value = values[column];
      if (value === undefined) continue;
      object += `${object === "" ? "" : ","}${names[column]!}${value === null ? "null" : writers[column]!(value)}`;
    }
    return `{${object}}`;
  };
}

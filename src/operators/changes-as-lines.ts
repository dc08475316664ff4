import { map } from "rxjs";
import type { ChangeBatch } from "../change-batch.js";
import type { Operator } from "../flow.js";
import { formatLsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { TextBatch } from "../text-batch.js";
import { type ChangedTable, ChangeTexts } from "./change-texts.js";
import { csvLine } from "./rows-as-csv.js";
import { jsonObject } from "./rows-as-ndjson.js";
import { textBatchOf } from "./text-batch-of.js";
import type { ValueText } from "./value-texts.js";

/** What is told of a change beside its rows. */
interface ChangeLine {
  readonly op: "insert" | "update" | "delete" | "truncate";
  readonly table: ChangedTable;
  readonly xid: number;
  /** Of the transaction's commit. */
  readonly lsn: string;
  /** JSON. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/**
 * Writes changes as JSON, one object a line, transaction after transaction. `old` is what names the row as it was (its key,
 * where that changed or the row is gone; under REPLICA IDENTITY FULL all of it); a value that is stored outside the row
 * and did not change is not in `new`.
 *
 * ```
 * in   [I 1 'a'][U 1 'b'][D 1]
 * out  {"op":"insert","schema":"public","table":"t","xid":750,"lsn":"0/1A2B","old":null,"new":{"id":1,"a":"a"}}
 *      {"op":"update","schema":"public","table":"t","xid":751,"lsn":"0/1A9C","old":null,"new":{"id":1,"a":"b"}}
 *      {"op":"delete","schema":"public","table":"t","xid":752,"lsn":"0/1B00","old":{"id":1},"new":null}
 * ```
 */
export function changesAsNdjson(describe: (relation: PgoutputRelation) => ChangedTable): Operator<ChangeBatch, TextBatch> {
  return changesAsLines(describe, ({ op, table, xid, lsn, before = "null", after = "null" }) =>
    `{"op":"${op}","schema":${JSON.stringify(table.schema)},"table":${JSON.stringify(table.name)},"xid":${xid},"lsn":"${lsn}","old":${before},"new":${after}}\n`);
}

/** The first line of a CSV file of changes. */
export const CHANGES_CSV_HEAD = csvLine(["op", "schema", "table", "xid", "lsn", "old", "new"]);

/** The same as CSV, `old` and `new` still as JSON: tables have different columns. */
export function changesAsCsv(describe: (relation: PgoutputRelation) => ChangedTable): Operator<ChangeBatch, TextBatch> {
  return changesAsLines(describe, ({ op, table, xid, lsn, before, after }) => csvLine([op, table.schema, table.name, String(xid), lsn, before, after]));
}

function changesAsLines(describe: (relation: PgoutputRelation) => ChangedTable, lineOf: (line: ChangeLine) => string): Operator<ChangeBatch, TextBatch> {
  const changes = new ChangeTexts(describe);
  const objects = new Map<ChangedTable, (values: readonly ValueText[]) => string>();
  const json = (table: ChangedTable, values: readonly ValueText[] | undefined): string | undefined => {
    if (values === undefined) return undefined;
    let object = objects.get(table);
    if (object === undefined) objects.set(table, (object = jsonObject(table.columns)));
    return object(values);
  };
  return map((batch: ChangeBatch) => {
    let lines = "";
    changes.each(batch, (change) => {
      const common = { op: change.kind, xid: change.transaction.xid, lsn: formatLsn(change.transaction.commitLsn) };
      if (change.kind === "truncate") for (const table of change.tables) lines += lineOf({ ...common, table, before: undefined, after: undefined });
      else lines += lineOf({ ...common, table: change.table, before: json(change.table, "before" in change ? change.before : undefined), after: json(change.table, "after" in change ? change.after : undefined) });
    });
    return textBatchOf(batch, lines);
  });
}

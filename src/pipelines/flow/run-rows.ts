import { identity, pipe, tap } from "rxjs";
import { run } from "../../flow.js";
import { operateRows } from "../../operators/operate-rows.js";
import { displayName } from "../../postgres/identifiers.js";
import type { RowBatch } from "../../row-batch.js";
import { tableAfter } from "../table-after.js";
import { shapeOf } from "../table-shapes.js";
import { untilDone } from "../until-done.js";
import { patienceOf, withRetries } from "../with-retries.js";
import type { FlowContext, FlowSink, RowsSource } from "./flow-parts.js";

/** Brings all rows of a source into a sink. */
export async function runRows(source: RowsSource, sink: FlowSink, context: FlowContext): Promise<void> {
  const { report, signal, general } = context;
  const chain = context.chainOf(shapeOf(source.table));
  const ready = await sink.rows({ table: tableAfter(source.table, chain), chain, version: source.version });
  const format = source.format ?? ready.format;
  const table = displayName(source.table);
  const estimatedRows = Math.max(0, source.table.estimatedRows);
  const started = Date.now();
  report({ type: "copy-started", tables: 1, rows: estimatedRows, bytes: source.table.bytes, planned: [{ schema: source.table.schema, name: source.table.name, table, estimatedRows, sql: source.statement }] });
  let rows = 0;
  let bytes = 0;
  let resumed = false;
  try {
    await withRetries({ ...patienceOf({ pipeline: { general }, signal, report }), what: `rows of ${table}`, isAllowed: sink.repeatable }, async () => {
      [rows, bytes] = [0, 0];
      const into = await ready.attempt(format);
      resumed = into === undefined;
      if (into === undefined) return;
      const operators = pipe(
        tap((batch: RowBatch) => {
          rows += batch.count;
          for (let row = 0; row < batch.count; row++) bytes += batch.ends[row]! - batch.starts[row]!;
          report({ type: "table-progress", table, rows, bytes, estimatedRows });
        }),
        context.paced<RowBatch>(),
        chain === undefined ? identity : operateRows(chain, format),
      );
      await untilDone(run(source.rows(format), operators, into), signal);
    });
  } finally {
    await ready.close();
  }
  report({ type: "table-copied", table, rows, bytes, milliseconds: Date.now() - started, resumed });
}

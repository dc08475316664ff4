import { dirname, resolve } from "node:path";
import { pipe } from "rxjs";
import { z } from "zod";
import type { ChangeBatch } from "../../change-batch.js";
import type { FlowEnd } from "../../config/types.js";
import type { Operator } from "../../flow.js";
import type { ChangedTable } from "../../operators/change-texts.js";
import { CHANGES_CSV_HEAD, changesAsCsv, changesAsNdjson } from "../../operators/changes-as-lines.js";
import { changesAsSql } from "../../operators/changes-as-sql.js";
import { csvLine, rowsAsCsv } from "../../operators/rows-as-csv.js";
import { rowsAsNdjson } from "../../operators/rows-as-ndjson.js";
import { rowsAsSql } from "../../operators/rows-as-sql.js";
import { SQL_HEAD } from "../../operators/sql-of-rows.js";
import type { PublishedTable } from "../../postgres/catalog.js";
import { displayAddress } from "../../postgres/connection.js";
import type { PgoutputRelation } from "../../postgres/pgoutput-message.js";
import type { ValueFormat } from "../../postgres/value-format.js";
import type { RowBatch } from "../../row-batch.js";
import { AppendedFile } from "../../sinks/appended-file.js";
import { ReplacedFile } from "../../sinks/replaced-file.js";
import type { TextOutput } from "../../sinks/text-output.js";
import { writeText } from "../../sinks/write-text.js";
import { WrittenStream } from "../../sinks/written-stream.js";
import type { TextBatch } from "../../text-batch.js";
import type { ChangesSource, FlowContext, FlowSink } from "./flow-parts.js";
import { outputPath } from "./flow-options.js";
import { sqlTable } from "./flow-table.js";

/** Options of the sinks of types "ndjson" and "sql". */
export const textSinkOptions = z.strictObject({ path: outputPath });
/** Options of a sink of type "csv". */
export const csvSinkOptions = z.strictObject({ path: outputPath, header: z.boolean({ error: "true or false" }).default(true) });

const STDOUT = "-";

/** How rows and changes are written out. */
interface Writing {
  readonly rowsHead: (table: PublishedTable) => string;
  readonly rows: (table: PublishedTable, format: ValueFormat) => Operator<RowBatch, TextBatch>;
  readonly changesHead: string;
  readonly changes: (describe: (relation: PgoutputRelation) => ChangedTable) => Operator<ChangeBatch, TextBatch>;
}

const typed = (table: PublishedTable): { readonly name: string; readonly type: string }[] => table.columns.map(({ name, baseType }) => ({ name, type: baseType }));

/** JSON, an object a line. */
export function ndjsonSink(entry: FlowEnd, { path }: z.infer<typeof textSinkOptions>, context: FlowContext): FlowSink {
  return textSink(entry, path, context, { rowsHead: () => "", rows: (table, format) => rowsAsNdjson(typed(table), format), changesHead: "", changes: changesAsNdjson });
}

/** CSV as COPY reads and writes it. */
export function csvSink(entry: FlowEnd, { path, header }: z.infer<typeof csvSinkOptions>, context: FlowContext): FlowSink {
  return textSink(entry, path, context, {
    rowsHead: (table) => (header ? csvLine(table.columns.map(({ name }) => name)) : ""),
    rows: (table, format) => rowsAsCsv(typed(table), format),
    changesHead: header ? CHANGES_CSV_HEAD : "",
    changes: changesAsCsv,
  });
}

/** Statements for psql. */
export function sqlSink(entry: FlowEnd, { path }: z.infer<typeof textSinkOptions>, context: FlowContext): FlowSink {
  return textSink(entry, path, context, { rowsHead: () => SQL_HEAD, rows: (table, format) => rowsAsSql(sqlTable(table), format), changesHead: SQL_HEAD, changes: changesAsSql });
}

function textSink(entry: FlowEnd, path: string, { stdout }: FlowContext, writing: Writing): FlowSink {
  const toStdout = path === STDOUT;
  const file = resolve(dirname(entry.place.file), path);
  return {
    wantsText: true,
    repeatable: !toStdout,
    toStdout,
    rows({ table }) {
      const output = toStdout ? new WrittenStream(stdout) : new ReplacedFile(file);
      return Promise.resolve({ format: "text", attempt: (format) => Promise.resolve(pipe(writing.rows(table, format), writeText(output, writing.rowsHead(table)))), close: () => output.close() });
    },
    changes({ source, relations }) {
      const output: TextOutput = toStdout ? new WrittenStream(stdout) : new AppendedFile(file, streamName(source));
      return Promise.resolve({
        hasBegun: async () => (await output.position()) > 0n,
        attempt: async () => ({ position: await output.position(), sink: pipe(writing.changes(relations.describe), writeText(output, writing.changesHead)) }),
        close: () => output.close(),
      });
    },
  };
}

function streamName({ server, slot }: ChangesSource): string {
  return `slot ${slot} of ${displayAddress(server)}`;
}

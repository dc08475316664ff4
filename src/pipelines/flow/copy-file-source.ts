import { open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { catchError, type Observable, throwError } from "rxjs";
import { z } from "zod";
import type { FlowEnd } from "../../config/types.js";
import { ReshardError } from "../../errors.js";
import { decodeTuples } from "../../operators/decode-tuples.js";
import { type Column, type PublishedTable, readTable } from "../../postgres/catalog.js";
import { displayAddress } from "../../postgres/connection.js";
import { COPY_SIGNATURE } from "../../postgres/copy-binary.js";
import { displayName } from "../../postgres/identifiers.js";
import type { ValueFormat } from "../../postgres/value-format.js";
import { copyFile } from "../../sources/copy-file.js";
import { columnOfType } from "../table-after.js";
import { typeNamed } from "./type-named.js";
import { columnNames, inputPath, tableOptions } from "./flow-options.js";
import type { FlowContext, RowsSource } from "./flow-parts.js";
import { tableNamed } from "./flow-table.js";

const COLUMN = /^(?:"(?<quoted>(?:[^"]|"")+)"|(?<plain>\S+))\s+(?<type>\S.*)$/u;
const COLUMNS = 'a list of columns with their types, such as ["id bigint", "email text"]';

/** Options of a source of type "copy-file": what COPY has written into a file, in its binary or its text format. */
export const copyFileSourceOptions = z.strictObject({
  path: inputPath,
  ...tableOptions,
  format: z.enum(["binary", "text"], { error: '"binary" or "text"; without it the file is looked at' }).optional(),
  columns: z.array(z.string({ error: COLUMNS }).regex(COLUMN, { error: COLUMNS }), { error: COLUMNS }).min(1, { error: COLUMNS }).optional(),
  key: columnNames.optional(),
});

/**
 * @param fallback the database that the rows go to, if it is one: asked for the columns where nothing else tells them
 * @throws ReshardError INPUT_FAILED, TABLE_MISSING, FLOW_COLUMN_MISSING
 */
export async function copyFileSource(entry: FlowEnd, options: z.infer<typeof copyFileSourceOptions>, { sessions }: FlowContext, fallback: FlowEnd["database"]): Promise<RowsSource> {
  const file = resolve(dirname(entry.place.file), options.path);
  const { size, modified, isBinary } = await inspect(file);
  const format = options.format ?? (isBinary ? "binary" : "text");
  const name = tableNamed(options.table, options.schema);
  const database = entry.database ?? fallback;
  let table: PublishedTable;
  if (options.columns !== undefined) {
    const columns = options.columns.map(columnOf);
    for (const [index, key] of (options.key ?? []).entries()) {
      if (!columns.some((column) => column.name === key)) throw new ReshardError("FLOW_COLUMN_MISSING", `"columns" has no "${key}".`, { place: entry.places[`key.${index}`] ?? entry.place, remedy: `Name some of ${columns.map((column) => column.name).join(", ")}.` });
    }
    table = { ...name, oid: 0, partitioned: false, root: name, columns, rowFilter: undefined, identity: "default", key: options.key ?? [], estimatedRows: 0, bytes: size };
  } else {
    const server = database!.shards[0]!.primary;
    const found = await sessions.kept.use(server, "monitor", (client) => readTable(client, name));
    if (found === undefined) throw new ReshardError("TABLE_MISSING", `${displayAddress(server)} has no table ${displayName(name)}, whose columns the file is said to have.`, { place: { ...entry.places["table"]!, table: displayName(name) }, remedy: "Name it as the catalog spells it; or give the file's columns (columns)." });
    table = { ...found, bytes: size, estimatedRows: 0, rowFilter: undefined, ...(options.key === undefined ? {} : { key: options.key }) };
  }
  return {
    kind: "rows",
    table,
    format,
    statement: `COPY ${displayName(table)} FROM ${file}`,
    version: `${file} ${size} ${modified}`,
    rows: () => (receipts$) => copyFile({ file })(receipts$).pipe(decodeTuples({ columns: table.columns.length, table: displayName(table), format }), catchError((error: unknown) => explained(error, file, format))),
  };
}

async function inspect(file: string): Promise<{ readonly size: number; readonly modified: number; readonly isBinary: boolean }> {
  try {
    const { size, mtimeMs } = await stat(file);
    const handle = await open(file, "r");
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(COPY_SIGNATURE.length), 0, COPY_SIGNATURE.length, 0);
      return { size, modified: mtimeMs, isBinary: bytesRead === COPY_SIGNATURE.length && buffer.equals(COPY_SIGNATURE) };
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new ReshardError("INPUT_FAILED", `${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`, { place: { file }, remedy: "Name a file that COPY has written, relative to the pipeline file.", cause });
  }
}

function columnOf(text: string): Column {
  const { quoted, plain, type } = COLUMN.exec(text)!.groups!;
  const baseType = typeNamed(type!);
  return columnOfType(quoted?.replaceAll('""', '"') ?? plain!, baseType, { typeName: type! });
}

/** What a server's output would be asked for again is wrong in a file for good. */
function explained(error: unknown, file: string, format: ValueFormat): Observable<never> {
  return throwError(() =>
    error instanceof ReshardError && error.code.startsWith("COPY_")
      ? new ReshardError("INPUT_FAILED", `${file} is not what COPY writes in ${format}: ${error.message}`, { place: { file }, remedy: "See that the file is whole, and of the table and columns that the source names.", cause: error })
      : error,
  );
}

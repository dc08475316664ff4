import { defer, map } from "rxjs";
import { ReshardError } from "../errors.js";
import { notOfType, type ValueCodec } from "../postgres/value.js";
import { readInTextOnly } from "../postgres/value-codec.js";
import type { TableBatch } from "../table-batch.js";
import { KEPT } from "../value-column.js";
import { LazyRow, type Row } from "./lazy-row.js";
import { RawValue } from "./raw-value.js";
import type { TableOperator } from "./table-operator.js";

export interface PerRowOptions {
  /** The columns that it changes. */
  readonly writes: readonly string[];
  /** It may answer null. */
  readonly drops?: boolean;
}

/**
 * An operator written for one row at a time: it gives back the row, or an object of the columns of `writes` that change, or
 * null where the row is to be left out. A value is decoded when the function reads it, and `{ ...row }` reads all; whatever
 * is not changed keeps its bytes. Where rows travel in binary, a value of a type that is read in text only (arrays, inet …)
 * comes as a `RawValue`, which can be handed on and no more. The row is the function's until it returns: for longer it takes a copy.
 *
 * Of rows of five columns a function that reads two passes as many as an operator over a batch's columns, a million a second
 * and core; one that copies the row a fifth to a third of that (`npm run bench -- operators`).
 *
 * ```
 * in   [{ id: 1, email: "a@b.c" }]  [{ id: 2, email: null }]
 * out  [{ id: 1, email: "x@b.c" }]  [{ id: 2, email: null }]
 * ```
 *
 * @example
 * create: ({ column }) => perRow({ writes: [column] }, (row) => ({ ...row, [column]: null }))
 */
export function perRow({ writes, drops = false }: PerRowOptions, work: (row: Row) => Row | null): TableOperator {
  return {
    writes,
    drops,
    operator: (batches$) =>
      defer(() => {
        let rows: LazyRow | undefined;
        return batches$.pipe(map((batch) => {
          if (rows?.columns !== batch.table.columns) rows = new LazyRow(batch.table.columns);
          rows.begin(batch);
          try {
            return worked(batch, rows, writes, drops, work);
          } finally {
            rows.end();
          }
        }));
      }),
  };
}

const MEND = "Nothing was lost: correct the operator and run the pipeline again.";

function worked(batch: TableBatch, rows: LazyRow, writes: readonly string[], drops: boolean, work: (row: Row) => Row | null): TableBatch {
  const columns = writes.map((name): WrittenColumn => ({ name, place: rows.placeOf(name), codec: batch.column(name).codec, bytes: new Array<WrittenColumn["bytes"][number]>(batch.count).fill(KEPT) }));
  const dropped = new Uint8Array(batch.count);
  let left = batch.count;
  for (let row = 0; row < batch.count; row++) {
    rows.moveTo(row);
    const result = resultOf(batch, row, rows, work);
    if (result === rows.row) continue;
    if (result === null) {
      if (!drops) throw new ReshardError("OPERATOR_DROPPED_ROW", `The operator gave null for the ${batch.describe(row)}.`, { remedy: "Declare drops: true in perRow, if rows may be left out." });
      dropped[row] = 1;
      left--;
      continue;
    }
    checkLeftAlone(batch, row, rows, result, writes);
    for (const column of columns) column.bytes[row] = bytesOf(batch, row, rows, result, column);
  }
  // Before rows are left out: a column's values are given by their place.
  const out = columns.reduce((made, { name, bytes }) => made.withBytes(name, (row) => bytes[row]), batch);
  return left === batch.count ? out : out.filter((row) => dropped[row] === 0);
}

interface WrittenColumn {
  readonly name: string;
  readonly place: number;
  readonly codec: ValueCodec;
  /** By row. */
  readonly bytes: (Buffer | null | undefined | typeof KEPT)[];
}

/** Runs what was written by others for one row: its exception names the row. */
function resultOf(batch: TableBatch, row: number, rows: LazyRow, work: (row: Row) => Row | null): Row | null {
  let result: Row | null | undefined;
  try {
    result = work(rows.row);
  } catch (cause) {
    if (cause instanceof ReshardError) throw withRow(cause, batch, row);
    throw new ReshardError("OPERATOR_FAILED", `It threw for the ${batch.describe(row)}: ${cause instanceof Error ? cause.message : String(cause)}`, { remedy: MEND, cause });
  }
  // Whoever writes JavaScript may give anything.
  const later = typeof result?.["then"] === "function";
  if (typeof result === "object" && !later) return result;
  throw new ReshardError("OPERATOR_FAILED", `It gave ${later ? "a promise" : `a value of type ${typeof result}`} for the ${batch.describe(row)}.`, { remedy: "Give the row back at once, or null to leave it out." });
}

/** What is changed and not declared would be lost without a word. */
function checkLeftAlone(batch: TableBatch, row: number, rows: LazyRow, result: Row, writes: readonly string[]): void {
  for (const name of Object.keys(result)) {
    if (writes.includes(name)) continue;
    const place = rows.placeOf(name);
    const before = place < 0 ? undefined : rows.value(place);
    if (Object.is(result[name], before)) continue;
    throw new ReshardError("OPERATOR_WROTE_UNDECLARED", `The operator changed "${name}" of the ${batch.describe(row)}.`, {
      remedy: place >= 0 ? `Name "${name}" in perRow's writes.` : `The table has no such column: name one of ${rows.columns.map((column) => column.name).join(", ")}.`,
    });
  }
}

/** What becomes of a column in a row. */
function bytesOf(batch: TableBatch, row: number, rows: LazyRow, result: Row, { name, place, codec }: WrittenColumn): Buffer | null | typeof KEPT {
  const value = result[name];
  if (value === undefined && !Object.hasOwn(result, name)) return KEPT;
  // What was not read is not decoded to be compared.
  if ((value === undefined || rows.hasRead(place)) && Object.is(value, rows.value(place))) return KEPT;
  if (value === null) return null;
  try {
    const { type } = rows.columns[place]!;
    if (value === undefined) throw notOfType(type, value);
    if (!(value instanceof RawValue)) return codec.encode(value, batch.format);
    if (value.type !== type || batch.format !== "binary") throw readInTextOnly(value.type);
    return value.bytes;
  } catch (error) {
    throw error instanceof ReshardError ? withRow(error, batch, row, name) : error;
  }
}

function withRow(error: ReshardError, batch: TableBatch, row: number, column?: string): ReshardError {
  const where = `${column === undefined ? "" : `"${column}" of `}the ${batch.describe(row)}`;
  return new ReshardError(error.code, `For ${where}: ${error.message}`, { ...(error.remedy === undefined ? {} : { remedy: error.remedy }), kind: error.kind, place: error.place, cause: error });
}

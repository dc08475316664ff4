import { defer, finalize, map } from "rxjs";
import { defect, type ReshardError } from "../errors.js";
import type { Operator } from "../flow.js";
import { encodeTextField } from "../postgres/encode-text-field.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch } from "../row-batch.js";
import { TableBatch } from "../table-batch.js";
import { ABSENT_VALUE, type ValueColumn } from "../value-column.js";
import { locateRows } from "./locate-values.js";
import type { OperatorChain } from "./operator-chain.js";
import { RunningChain } from "./running-chain.js";

/**
 * Passes the rows of a COPY through a pipeline's own operators. Rows that none of them touches keep their bytes.
 *
 * ```
 * in   [1 'a@b.c'][2 'd@e.f'][3 NULL]
 * out  [1 'x@b.c'][3 NULL]                 masked, and filtered
 * ```
 *
 * @example
 * source.pipe(decodeTuples(), operateRows(chain, "binary"), shardRows({ table, route }))
 */
export function operateRows(chain: OperatorChain, format: ValueFormat): Operator<RowBatch> {
  return (batches$) =>
    defer(() => {
      const running = new RunningChain(chain);
      return batches$.pipe(
        map((batch) => encodeRows(running.rows(tableBatchOf(batch, chain, format)), batch)),
        finalize(() => { running.close(); }),
      );
    });
}

/** Rows of a COPY as operators see them. */
export function tableBatchOf(batch: RowBatch, { input }: Pick<OperatorChain, "input">, format: ValueFormat): TableBatch {
  const { sequence, bytes, resume, count } = batch;
  return TableBatch.of({ sequence, bytes, ...(resume === undefined ? {} : { resume }), table: input, format, count, locate: () => locateRows(batch, input.columns.length, format) });
}

const NULL_FIELD = Buffer.from("\\N");
const TAB = Buffer.from("\t");
const LINE_END = Buffer.from("\n");

/** What is left of a batch's rows, as COPY has them. */
export function encodeRows(out: TableBatch, came: RowBatch): RowBatch {
  if (out.untouched) {
    if (out.count === came.count) return came;
    return { ...came, count: out.count, starts: came.starts.filter(picked(out.origins)), ends: came.ends.filter(picked(out.origins)) };
  }
  const columns = out.table.columns.map(({ name }) => out.column(name));
  const ends = new Uint32Array(out.count);
  const buffer = out.format === "binary" ? binaryRows(columns, ends) : textRows(columns, ends);
  const starts = new Uint32Array(out.count);
  for (let row = 1; row < out.count; row++) starts[row] = ends[row - 1]!;
  return { ...came, buffer, bytes: buffer.length, count: out.count, starts, ends };
}

/** @param ends of the rows, to be filled in */
function binaryRows(columns: readonly ValueColumn[], ends: Uint32Array): Buffer {
  let bytes = ends.length * (FIELD_COUNT_BYTES + columns.length * LENGTH_BYTES);
  for (const column of columns) {
    for (let row = 0; row < ends.length; row++) {
      const length = column.length(row);
      if (length > 0) bytes += length;
      else if (length === ABSENT_VALUE) throw absent();
    }
  }
  const buffer = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let row = 0; row < ends.length; row++) {
    buffer[at] = columns.length >> 8;
    buffer[at + 1] = columns.length;
    at += FIELD_COUNT_BYTES;
    for (const column of columns) {
      const length = column.length(row);
      buffer[at] = length >> 24;
      buffer[at + 1] = length >> 16;
      buffer[at + 2] = length >> 8;
      buffer[at + 3] = length;
      at += LENGTH_BYTES;
      if (length > 0) at = column.copy(row, buffer, at);
    }
    ends[row] = at;
  }
  return buffer;
}

const FIELD_COUNT_BYTES = 2;
/** The length of NULL is -1, as `NULL_VALUE` is. */
const LENGTH_BYTES = 4;

/** @param ends of the rows, to be filled in */
function textRows(columns: readonly ValueColumn[], ends: Uint32Array): Buffer {
  const rows: Buffer[] = [];
  let end = 0;
  for (let row = 0; row < ends.length; row++) {
    const line = textRow(columns.map((column) => {
      const value = column.bytes(row);
      if (value === undefined) throw absent();
      return value;
    }));
    rows.push(line);
    ends[row] = end += line.length;
  }
  return Buffer.concat(rows);
}

function absent(): ReshardError {
  return defect("a value of a copied row is absent");
}

function textRow(values: readonly (Buffer | null)[]): Buffer {
  return Buffer.concat(values.flatMap((value, index) => [index === 0 ? Buffer.alloc(0) : TAB, value === null ? NULL_FIELD : encodeTextField(value)]).concat(LINE_END));
}

/** For `filter`: true at these places, which rise. */
function picked(places: Uint32Array): (value: number, place: number) => boolean {
  let next = 0;
  return (_, place) => {
    if (places[next] !== place) return false;
    next++;
    return true;
  };
}

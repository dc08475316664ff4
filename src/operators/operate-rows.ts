import { defer, finalize, map } from "rxjs";
import { defect } from "../errors.js";
import type { Operator } from "../flow.js";
import { encodeTuple } from "../postgres/copy-binary.js";
import { encodeTextField } from "../postgres/encode-text-field.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch } from "../row-batch.js";
import { TableBatch } from "../table-batch.js";
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
  const rows: Buffer[] = [];
  const starts = new Uint32Array(out.count);
  const ends = new Uint32Array(out.count);
  let end = 0;
  for (let row = 0; row < out.count; row++) {
    const values = columns.map((column) => {
      const bytes = column.bytes(row);
      if (bytes === undefined) throw defect("a value of a copied row is absent");
      return bytes;
    });
    const encoded = out.format === "binary" ? encodeTuple(values) : textRow(values);
    rows.push(encoded);
    starts[row] = end;
    end += encoded.length;
    ends[row] = end;
  }
  return { ...came, buffer: Buffer.concat(rows), bytes: end, count: out.count, starts, ends };
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

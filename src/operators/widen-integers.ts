import { identity, map } from "rxjs";
import type { Operator } from "../flow.js";
import type { Column } from "../postgres/catalog.js";
import { writeWidened } from "../postgres/widen-integer.js";
import type { RowBatch } from "../row-batch.js";

export interface WidenIntegersOptions {
  readonly table: { readonly columns: readonly Pick<Column, "name">[] };
  /** Names of the int2 and int4 columns that are bigint on the shards. */
  readonly columns: ReadonlySet<string>;
}

/**
 * Makes bigint of integer columns, in binary: their fields get eight bytes, all else is copied as it is. A batch with
 * nothing to widen passes untouched.
 *
 * ```
 * in   [7 'a'][NULL 'b']          7 as int4
 * out  [7 'a'][NULL 'b']          7 as int8
 * ```
 *
 * @example
 * source.pipe(decodeTuples(), widenIntegers({ table, columns: new Set(["id", "parent_id"]) }), shardRows({ table, route }))
 */
export function widenIntegers({ table, columns }: WidenIntegersOptions): Operator<RowBatch> {
  const wanted = Uint8Array.from(table.columns, (column) => (columns.has(column.name) ? 1 : 0));
  const last = wanted.lastIndexOf(1);
  return last < 0 ? identity : map((batch) => widen(batch, wanted.subarray(0, last + 1)));
}

/** An int2 field grows by so much. */
const MOST_GROWTH = 6;
/** Below this `Buffer.copy` costs more than a loop. */
const SHORT = 24;

/** @param wanted 1 for each field to widen; the last one is */
function widen(batch: RowBatch, wanted: Uint8Array): RowBatch {
  const { buffer, count } = batch;
  let size = 0;
  for (let row = 0; row < count; row++) size += batch.ends[row]! - batch.starts[row]!;
  const fields = wanted.reduce((sum, field) => sum + field, 0);
  const out = Buffer.allocUnsafeSlow(size + count * fields * MOST_GROWTH);
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  let to = 0;
  let widened = 0;
  for (let row = 0; row < count; row++) {
    starts[row] = to;
    /** What lies before this is written. */
    let done = batch.starts[row]!;
    let at = done + 2; // behind the number of fields
    for (let field = 0; field < wanted.length; field++) {
      const length = (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!;
      at += 4;
      if (length < 0) continue;
      if (wanted[field] === 1) {
        to = copyBytes(out, to, buffer, done, at);
        out[to - 1] = 8; // the length's last byte; the others are 0 already
        to = writeWidened(out, to, buffer, at, length);
        done = at + length;
        widened++;
      }
      at += length;
    }
    to = copyBytes(out, to, buffer, done, batch.ends[row]!);
    ends[row] = to;
  }
  return widened === 0 ? batch : { ...batch, buffer: out.subarray(0, to), bytes: out.length, starts, ends };
}

function copyBytes(target: Buffer, to: number, source: Buffer, from: number, end: number): number {
  if (end - from >= SHORT) return to + source.copy(target, to, from, end);
  for (let at = from; at < end; at++) target[to++] = source[at]!;
  return to;
}

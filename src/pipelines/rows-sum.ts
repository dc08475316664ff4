import { createHash } from "node:crypto";
import type pg from "pg";
import { identity, Subject } from "rxjs";
import { decodeTuples } from "../operators/decode-tuples.js";
import { operateRows } from "../operators/operate-rows.js";
import type { OperatorChain } from "../operators/operator-chain.js";
import { widenIntegers } from "../operators/widen-integers.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { CopyDataReader } from "../postgres/copy-data-reader.js";
import { displayName } from "../postgres/identifiers.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { CopyBatch, RowBatch } from "../row-batch.js";
import { copyOutStatement } from "../sources/copy-table.js";
import { tableAfter } from "./table-after.js";

const TAKE_BYTES = 256 * 1024;

/** Rows, and the sum of a hash of each. Sums, not XOR: a row that is there twice must show. */
export interface RowsSum {
  readonly rows: number;
  readonly checksum: bigint;
}

export interface RowsSumOptions {
  /** Of the server that is read: what operators add is not there. */
  readonly table: PublishedTable;
  readonly format: ValueFormat;
  /** What the rows pass before they are added up: of the source, those that the copy has passed. */
  readonly chain?: OperatorChain;
  /** Columns to widen behind the operators. */
  readonly widened?: ReadonlySet<string>;
}

/** Reads a table in a session and adds up its rows, as they would be written into a shard. */
export async function rowsSum(client: pg.Client, { table, format, chain, widened = new Set() }: RowsSumOptions): Promise<RowsSum> {
  let rows = 0;
  let checksum = 0n;
  const batches$ = new Subject<CopyBatch>();
  const failed: unknown[] = [];
  batches$.pipe(
    decodeTuples({ columns: table.columns.length, table: displayName(table), format }),
    chain === undefined ? identity : operateRows(chain, format),
    format === "text" ? identity : widenIntegers({ table: tableAfter(table, chain), columns: widened }),
  ).subscribe({
    next(batch) {
      rows += batch.count;
      checksum += hashesOf(batch);
    },
    error(error: unknown) {
      failed.push(error);
    },
  });
  let sequence = 0;
  const pass = (end: boolean): void => {
    const frames = reader.take();
    batches$.next({ ...frames, sequence: sequence++, bytes: frames.buffer.length, ...(end ? { resume: 0n } : {}) });
  };
  const reader = new CopyDataReader(client, copyOutStatement(table, format), () => {
    if (reader.bytes >= TAKE_BYTES && failed.length === 0) pass(false);
  });
  await reader.done;
  if (failed.length === 0) pass(true);
  if (failed.length > 0) throw failed[0];
  return { rows, checksum };
}

function hashesOf({ buffer, starts, ends, count }: RowBatch): bigint {
  let sum = 0n;
  for (let row = 0; row < count; row++) sum += createHash("md5").update(buffer.subarray(starts[row], ends[row])).digest().readBigInt64BE(0);
  return sum;
}

import { from, pipe } from "rxjs";
import { decodeTuples } from "../src/operators/decode-tuples.js";
import { partitionRows } from "../src/operators/partition-rows.js";
import { shardRows } from "../src/operators/shard-rows.js";
import { encodeCopyHeader, encodeCopyTrailer } from "../src/postgres/copy-binary.js";
import type { CopyBatch } from "../src/row-batch.js";
import { keyRouter } from "../src/sharding/key-router.js";
import { measurePairs, timed } from "./measure-pairs.js";
import type { BenchOptions } from "./options.js";
import { type Measured, type Target } from "./result.js";
import { encodeWideRow, ROW_BYTES, WIDE_ROWS_COLUMNS, WIDE_ROWS_KEY } from "./wide-rows.js";

const SHARDS = 4;
/** As `copyTable` hands them on, and as a socket gives them at most. */
const FRAMED_BATCH_BYTES = 256 * 1024;
const RAW_BATCH_BYTES = 64 * 1024;
/** Type byte and Int32 length before each CopyData payload. */
const FRAME_HEADER_BYTES = 5;

const TARGET: Target = { of: "rate", bound: "at least", value: 400, text: "at least 400 MB/s" };

/** Decode, hash and partition in memory, beside `Buffer.copy` of the same rows one by one. */
export async function benchSplit(options: BenchOptions): Promise<Measured[]> {
  const rows = Math.floor((options.megabytes * 1e6) / ROW_BYTES);
  const measured: Measured[] = [];
  for (const { name, what, prepare } of [
    { name: "split", what: "a CopyData frame for each row, in batches of 256 KiB", prepare: framedBatches },
    { name: "split-raw", what: "raw pieces of 64 KiB that cut rows in two", prepare: rawBatches },
  ]) {
    const batches = prepare(rows);
    split(batches, rows); // once unmeasured, until the code is compiled
    copyRows(batches);
    const times = await measurePairs(
      options.rounds,
      () => timed(() => { split(batches, rows); return Promise.resolve(); }),
      () => timed(() => { copyRows(batches); return Promise.resolve(); }),
    );
    measured.push({
      benchmark: name,
      what: `decodeTuples + shardRows (bigint) + partitionRows, ${what}`,
      subject: { label: "pg-reshard, 1 core", seconds: times.subject },
      baseline: { label: "Buffer.copy of the rows", seconds: times.baseline },
      amounts: [{ unit: "MB", amount: (rows * ROW_BYTES) / 1e6 }, { unit: "rows", amount: rows }],
      target: TARGET,
      conditions: { size: `${rows} rows of ${ROW_BYTES} bytes, ${SHARDS} shards, in memory` },
    });
  }
  return measured;
}

function split(batches: readonly CopyBatch[], rows: number): void {
  const table = { schema: "public", name: "wide_rows", columns: WIDE_ROWS_COLUMNS.map((name) => ({ name })) };
  const shardOf = keyRouter({ dataType: "bigint", hasher: "postgres", mapping: [] }, SHARDS);
  const operators = pipe(
    decodeTuples({ columns: WIDE_ROWS_COLUMNS.length, table: table.name }),
    shardRows({ table, route: { kind: "key", dataType: "bigint", column: WIDE_ROWS_KEY, shardOf } }),
    partitionRows(SHARDS),
  );
  let seen = 0;
  from(batches).pipe(operators).subscribe({
    next(batch) {
      for (const count of batch.counts) seen += count;
    },
    error(error: unknown) {
      throw error;
    },
  });
  if (seen !== rows) throw new Error(`${seen} rows came out of ${rows}`);
}

/** The least that moving rows one by one can cost here. */
function copyRows(batches: readonly CopyBatch[]): void {
  for (const { buffer } of batches) {
    const copy = Buffer.allocUnsafeSlow(buffer.length);
    for (let start = 0; start < buffer.length; start += ROW_BYTES) buffer.copy(copy, start, start, Math.min(start + ROW_BYTES, buffer.length));
  }
}

/** The first message carries the COPY header, the last one the trailer, and each between them one row. */
function framedBatches(rows: number): CopyBatch[] {
  const batches: CopyBatch[] = [];
  const perBatch = Math.floor(FRAMED_BATCH_BYTES / (ROW_BYTES + FRAME_HEADER_BYTES));
  for (let first = 0; first < rows; first += perBatch) {
    const last = Math.min(first + perBatch, rows);
    const payloads: Buffer[] = first === 0 ? [encodeCopyHeader()] : [];
    for (let row = first; row < last; row++) payloads.push(encodeWideRow(row));
    if (last === rows) payloads.push(encodeCopyTrailer());
    const starts = new Uint32Array(payloads.length);
    const ends = new Uint32Array(payloads.length);
    let at = 0;
    const pieces = payloads.flatMap((payload, index) => {
      starts[index] = at + FRAME_HEADER_BYTES;
      ends[index] = at += FRAME_HEADER_BYTES + payload.length;
      return [Buffer.alloc(FRAME_HEADER_BYTES, "d"), payload];
    });
    const buffer = Buffer.concat(pieces);
    batches.push({ sequence: batches.length, bytes: buffer.length, buffer, count: payloads.length, starts, ends, ...(last === rows ? { resume: 1n } : {}) });
  }
  return batches;
}

function rawBatches(rows: number): CopyBatch[] {
  const whole = Buffer.allocUnsafe(encodeCopyHeader().length + rows * ROW_BYTES + 2);
  let filled = encodeCopyHeader().copy(whole);
  for (let row = 0; row < rows; row++) filled += encodeWideRow(row).copy(whole, filled);
  encodeCopyTrailer().copy(whole, filled);
  const batches: CopyBatch[] = [];
  for (let start = 0; start < whole.length; start += RAW_BATCH_BYTES) {
    const end = Math.min(start + RAW_BATCH_BYTES, whole.length);
    // A buffer of its own, as a socket's read is.
    const buffer = Buffer.from(whole.subarray(start, end));
    batches.push({
      sequence: batches.length,
      bytes: buffer.length,
      buffer,
      count: 1,
      starts: Uint32Array.of(0),
      ends: Uint32Array.of(buffer.length),
      ...(end === whole.length ? { resume: 1n } : {}),
    });
  }
  return batches;
}

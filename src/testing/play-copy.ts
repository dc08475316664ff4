import { pipe } from "rxjs";
import { operateRows } from "../operators/operate-rows.js";
import { partitionRows, rowPart } from "../operators/partition-rows.js";
import { shardRows } from "../operators/shard-rows.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowPart } from "../row-batch.js";
import { type Move, tableAfter } from "./move.js";
import { rowBatches, rowsOfPart } from "./row-batches.js";
import { type MemoryRun, runInMemory } from "./run-in-memory.js";
import type { TestRow } from "./test-rows.js";
import { shapeOf, type TestTable } from "./test-table.js";

/** A copy of rows that are drawn. */
export interface CopyOptions {
  readonly format: ValueFormat;
  /** Rows of the first batch, of the second, …; the last number goes for all that follow, and without one all are in one. */
  readonly rowsPerBatch?: readonly number[];
  /** As of `MemoryFlow`. */
  readonly delays?: readonly number[];
}

/** What came of it. */
export interface PlayedCopy {
  /** By shard: the rows that are written there, in their order. */
  readonly shards: readonly (readonly TestRow[])[];
  readonly run: MemoryRun;
  /** How many the rows came in. */
  readonly batches: number;
}

/**
 * Copies rows through a table's operators to shards in memory: with the operators of a migration, in virtual time.
 *
 * @throws what the operators throw
 */
export function playCopy(move: Move, table: TestTable, rows: readonly TestRow[], { format, rowsPerBatch, delays }: CopyOptions): PlayedCopy {
  const after = tableAfter(table, move);
  const chain = move.chainOf(table);
  const shards = Array.from({ length: move.shards }, (): TestRow[] => []);
  const batches = rowBatches(table, rows, { format, ...(rowsPerBatch === undefined ? {} : { perBatch: rowsPerBatch }) });
  const divide = pipe(shardRows({ table: shapeOf(after), route: move.routeOf(after), format }), partitionRows(move.shards));
  const run = runInMemory({
    batches,
    operator: chain === undefined ? divide : pipe(operateRows(chain, format), divide),
    split: rowPart,
    shards: shards.map((own) => (part: RowPart): void => { own.push(...rowsOfPart(after, part, format)); }),
    ...(delays === undefined ? {} : { delays }),
  });
  return { shards, run, batches: batches.length };
}

import fc from "fast-check";
import { from, lastValueFrom, map, toArray } from "rxjs";
import { expect, test } from "vitest";
import { partitionRows, rowPart } from "../../src/operators/partition-rows.js";
import type { RowBatch, ShardedRowBatch } from "../../src/row-batch.js";
import { EVERY_SHARD } from "../../src/sharding/table-route.js";
import { arbitraryTestRows } from "../../src/testing/arbitrary-values.js";
import { END_OF_COPY, encodeRow, rowBatches } from "../../src/testing/row-batches.js";
import { testTable } from "../../src/testing/test-table.js";

const orders = testTable("orders", { country: "text", id: "bigint primary key", doc: "bytea" });
const perBatch = fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 6 });
const homes = fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 30, maxLength: 30 });

test("each shard's rows lie together, those of every shard behind its own, batch for batch", async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryTestRows(orders), fc.constantFrom("binary", "text"), perBatch, fc.integer({ min: 1, max: 4 }), homes, async (rows, format, sizes, shards, drawn) => {
      const shardOf = rows.map((_, row) => (drawn[row]! < 0 ? EVERY_SHARD : drawn[row]! % shards));
      const came = rowBatches(orders, rows, { format, perBatch: sizes });
      let seen = 0;
      const withShards = ({ count, ...batch }: RowBatch): ShardedRowBatch => ({ ...batch, count, shards: Int16Array.from({ length: count }, () => shardOf[seen++]!) });
      const batches = await lastValueFrom(from(came).pipe(map(withShards), partitionRows(shards), toArray()));
      seen = 0;
      for (const [sequence, { count }] of came.entries()) {
        const places = Array.from({ length: count }, () => seen++);
        const batch = batches[sequence]!;
        // Rows of every shard are kept once.
        expect(batch.bytes).toBe(places.reduce((sum, row) => sum + encodeRow(orders, rows[row]!, format).length, 0));
        for (let shard = 0; shard < shards; shard++) {
          const own = [...places.filter((row) => shardOf[row] === shard), ...places.filter((row) => shardOf[row] === EVERY_SHARD)];
          const part = Buffer.concat(own.map((row) => encodeRow(orders, rows[row]!, format)));
          expect(rowPart(batch, shard)).toEqual({ sequence, bytes: part.length, ...(seen === rows.length ? { resume: END_OF_COPY } : {}), part, rows: own.length });
        }
      }
      expect(batches).toHaveLength(came.length);
    }),
    { numRuns: 200, examples: [[[], "binary", [], 2, Array<number>(30).fill(0)]] },
  );
});

import fc from "fast-check";
import { from, lastValueFrom, map, type Observable, of, toArray } from "rxjs";
import { describe, expect, test } from "vitest";
import { decodeTuples } from "../../src/operators/decode-tuples.js";
import { partitionRows, rowPart } from "../../src/operators/partition-rows.js";
import { shardRows } from "../../src/operators/shard-rows.js";
import { encodeTuple } from "../../src/postgres/copy-binary.js";
import type { PartitionedRowBatch, RowBatch, ShardedRowBatch } from "../../src/row-batch.js";
import { EVERY_SHARD, NULL_KEY, type TableRoute, UNCOVERED_KEY } from "../../src/sharding/table-route.js";
import { cut } from "../support/copy-pieces.js";
import { copiedRows, copyBatches, copyFile } from "../support/row-batches.js";

const table = { schema: "public", name: "orders", columns: [{ name: "a" }, { name: "key" }, { name: "b" }] };

function byKey(shards: number): TableRoute {
  return { kind: "key", column: "key", dataType: "varchar", shardOf: (bytes, offset, length) => (length <= 0 ? 0 : bytes[offset]! % shards) };
}

function shardOfRow(row: readonly (Buffer | null)[], shards: number): number {
  const key = row[1];
  return key === null || key === undefined || key.length === 0 ? 0 : key[0]! % shards;
}

function rowsIn(file: Buffer, cuts: readonly number[], perBatch: readonly number[]): Observable<RowBatch> {
  return from(copyBatches(cut(file, cuts), perBatch, 9n)).pipe(decodeTuples());
}

const cuts = fc.array(fc.nat(), { maxLength: 10 });
const perBatch = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 });

describe("shardRows and partitionRows", () => {
  test("every row to exactly its shard, in the order it came, and batch for batch", async () => {
    await fc.assert(
      fc.asyncProperty(copiedRows, fc.integer({ min: 1, max: 6 }), cuts, perBatch, async (rows, shards, at, sizes) => {
        const batches = await lastValueFrom(rowsIn(copyFile(rows), at, sizes).pipe(shardRows({ table, route: byKey(shards) }), partitionRows(shards), toArray()));
        for (let shard = 0; shard < shards; shard++) {
          const expected = rows.filter((row) => shardOfRow(row, shards) === shard);
          const parts = batches.map((batch) => rowPart(batch, shard));
          expect(Buffer.concat(parts.map(({ part }) => part))).toEqual(Buffer.concat(expected.map(encodeTuple)));
          expect(parts.reduce((sum, part) => sum + part.rows, 0)).toBe(expected.length);
          parts.forEach((part, index) => {
            expect(part).toMatchObject({ sequence: index, bytes: part.part.length });
            expect(part.resume).toBe(index === parts.length - 1 ? 9n : undefined);
          });
        }
        for (const batch of batches) expect(batch.bytes).toBe(batch.parts.reduce((sum, part) => sum + part.length, 0));
      }),
      { numRuns: 200 },
    );
  });

  test("rows of every shard are on all of them, beside the others", async () => {
    await fc.assert(
      fc.asyncProperty(copiedRows, fc.integer({ min: 1, max: 4 }), fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 40, maxLength: 40 }), async (rows, shards, homes) => {
        const shardOf = rows.map((_, row) => (homes[row]! < 0 ? EVERY_SHARD : homes[row]! % shards));
        let seen = 0;
        const batches = await lastValueFrom(
          rowsIn(copyFile(rows), [], []).pipe(
            map((batch): ShardedRowBatch => ({ ...batch, shards: Int16Array.from({ length: batch.count }, () => shardOf[seen++]!) })),
            partitionRows(shards), toArray(),
          ),
        );
        for (let shard = 0; shard < shards; shard++) {
          const expected = [...rows.filter((_, row) => shardOf[row] === shard), ...rows.filter((_, row) => shardOf[row] === EVERY_SHARD)];
          expect(Buffer.concat(batches.map((batch) => rowPart(batch, shard).part))).toEqual(Buffer.concat(expected.map(encodeTuple)));
          expect(batches.reduce((sum, batch) => sum + rowPart(batch, shard).rows, 0)).toBe(expected.length);
        }
      }),
      { numRuns: 100 },
    );
  });

  const three = [["1", "7", null], [null, "8", "x"], ["", "7", ""]].map((row) => row.map((field) => (field === null ? null : Buffer.from(field))));

  test("omnisharded and fixed tables need no key", async () => {
    const shards = async (route: TableRoute): Promise<number[]> => [...(await lastValueFrom(rowsIn(copyFile(three), [], []).pipe(shardRows({ table, route })))).shards];
    expect(await shards({ kind: "omnisharded" })).toEqual([EVERY_SHARD, EVERY_SHARD, EVERY_SHARD]);
    expect(await shards({ kind: "fixed", shard: 2 })).toEqual([2, 2, 2]);
  });

  test("an empty batch passes with its sequence and position", async () => {
    const empty: RowBatch = { sequence: 3, bytes: 0, resume: 4n, buffer: Buffer.alloc(0), count: 0, starts: new Uint32Array(0), ends: new Uint32Array(0) };
    const out: PartitionedRowBatch = await lastValueFrom(of(empty).pipe(shardRows({ table, route: byKey(2) }), partitionRows(2)));
    expect(out).toEqual({ sequence: 3, bytes: 0, resume: 4n, parts: [Buffer.alloc(0), Buffer.alloc(0)], counts: [0, 0] });
    expect(rowPart(out, 1)).toEqual({ sequence: 3, bytes: 0, resume: 4n, part: Buffer.alloc(0), rows: 0 });
  });

  test("a row without a shard stops the copy and names table and column", async () => {
    const route = (reason: number): TableRoute => ({ kind: "key", column: "key", dataType: "varchar", shardOf: () => reason });
    await expect(lastValueFrom(rowsIn(copyFile(three), [], []).pipe(shardRows({ table, route: route(NULL_KEY) })))).rejects.toMatchObject({
      code: "SHARDING_KEY_NULL", message: expect.stringContaining('"key"') as string, place: { table: "orders" },
    });
    await expect(lastValueFrom(rowsIn(copyFile(three), [], []).pipe(shardRows({ table, route: route(UNCOVERED_KEY) })))).rejects.toMatchObject({ code: "SHARDING_KEY_UNCOVERED" });
  });
});

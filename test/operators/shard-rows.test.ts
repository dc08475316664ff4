import { from, lastValueFrom, toArray } from "rxjs";
import { expect, test } from "vitest";
import { shardRows } from "../../src/operators/shard-rows.js";
import { NULL_KEY, type TableRoute, UNCOVERED_KEY } from "../../src/sharding/table-route.js";
import { rowBatches } from "../../src/testing/row-batches.js";
import { shapeOf, testTable } from "../../src/testing/test-table.js";

/* Which row goes where: test/sharding/routing.test.ts. */

test("a row without a shard stops the copy and names table and column", async () => {
  const orders = testTable("orders", { id: "bigint primary key", key: "varchar" });
  const copied = async (reason: number): Promise<unknown> => {
    const route: TableRoute = { kind: "key", column: "key", dataType: "varchar", shardOf: (_bytes, _offset, length) => (length < 0 ? reason : 0) };
    return await lastValueFrom(from(rowBatches(orders, [["1", "a"], ["2", null]], { format: "binary" })).pipe(shardRows({ table: shapeOf(orders), route }), toArray()));
  };
  await expect(copied(NULL_KEY)).rejects.toMatchObject({ code: "SHARDING_KEY_NULL", message: expect.stringContaining('"key"') as string, place: { table: "orders" } });
  await expect(copied(UNCOVERED_KEY)).rejects.toMatchObject({ code: "SHARDING_KEY_UNCOVERED" });
});

import { lastValueFrom, of } from "rxjs";
import { expect, test } from "vitest";
import { Action, type ChangeBatch, type ShardedChangeBatch } from "../../src/change-batch.js";
import { changesOfShard, shardChanges } from "../../src/operators/shard-changes.js";
import { NULL_KEY, type TableRoute, UNCOVERED_KEY } from "../../src/sharding/table-route.js";
import { changeBatches, insertMessage, xlogData } from "../../src/testing/change-batches.js";
import type { WholeMessage } from "../../src/testing/encode-pgoutput.js";
import type { TestRow } from "../../src/testing/test-rows.js";
import { relationOf, testTable } from "../../src/testing/test-table.js";

/* What each shard does for the changes of rows: `routingStable` in test/sharding/routing.test.ts. */

const orders = testTable("orders", { tenant: "varchar", id: "integer primary key", doc: "text" });
const byTenant: TableRoute = { kind: "key", column: "tenant", dataType: "varchar", shardOf: (_bytes, _offset, length) => (length < 0 ? NULL_KEY : length === 0 ? UNCOVERED_KEY : 1) };

function batchOf(...messages: readonly WholeMessage[]): ChangeBatch {
  const payloads = [{ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 1 } as const, ...messages].map((message) => xlogData(message));
  return { ...changeBatches(payloads)[0]!, sequence: 5 };
}

async function sharded(batch: ChangeBatch, route = byTenant): Promise<ShardedChangeBatch> {
  return await lastValueFrom(of(batch).pipe(shardChanges(() => route)));
}

const inserted = async (row: TestRow): Promise<ShardedChangeBatch> => await sharded(batchOf(relationOf(orders), insertMessage(orders, row)));

test.each<TableRoute>([byTenant, { kind: "omnisharded" }, { kind: "fixed", shard: 0 }])("a truncate is every shard's: $kind", async (route) => {
  const batch = await sharded(batchOf(relationOf(orders), { kind: "truncate", xid: undefined, relations: [orders.oid], cascade: false, restartIdentity: true }), route);
  expect([0, 1, 2].map((shard) => [...changesOfShard(batch, shard).actions])).toEqual([[Action.Truncate], [Action.Truncate], [Action.Truncate]]);
});

test("a batch keeps what it is, and an empty one goes to every shard", async () => {
  const batch = batchOf({ kind: "commit", commitLsn: 10n, endLsn: 20n, commitTime: 0n });
  const out = await sharded(batch);
  expect(out).toMatchObject({ sequence: 5, bytes: batch.bytes, resume: 20n, count: 0 });
  expect(changesOfShard(out, 2)).toMatchObject({ sequence: 5, bytes: batch.bytes, resume: 20n, count: 0 });
});

test("a row that enters a row filter without its sharding key stops the stream", async () => {
  const message = insertMessage(orders, ["a long key", "7", "doc"]);
  if (message.kind !== "insert") throw new Error(message.kind);
  const entering: WholeMessage = { ...message, newTuple: [{ kind: "unchanged" }, ...message.newTuple.slice(1)] };
  await expect(sharded(batchOf(relationOf(orders), entering))).rejects.toMatchObject({ code: "SHARDING_KEY_NOT_SENT", place: { table: "orders" } });
});

test("a key without a shard stops the stream and names table and column", async () => {
  await expect(inserted([null, "7", "doc"])).rejects.toMatchObject({ code: "SHARDING_KEY_NULL", place: { table: "orders" } });
  await expect(inserted(["", "7", "doc"])).rejects.toMatchObject({ code: "SHARDING_KEY_UNCOVERED" });
});

import { from, lastValueFrom, of, toArray } from "rxjs";
import { describe, expect, test } from "vitest";
import { Action, type ShardedChangeBatch } from "../../src/change-batch.js";
import { changesOfShard, shardChanges } from "../../src/operators/shard-changes.js";
import type { PgoutputTruncate } from "../../src/postgres/pgoutput-message.js";
import { EVERY_SHARD, NULL_KEY, type TableRoute, UNCOVERED_KEY } from "../../src/sharding/table-route.js";
import { changeBatches, deleteMessage, insertMessage, relationOf, type Row, type TableSpec, updateMessage, xlogData } from "../support/changes.js";
import type { WholeMessage } from "../support/pgoutput.js";

const SHARDS = 3;
const ACTION_NAMES = new Map<number, string>(Object.entries(Action).map(([name, action]) => [action, name]));
/** `2…` is on shard 2. */
const shardOf = (bytes: Buffer, offset: number, length: number): number => (length < 0 ? NULL_KEY : length === 0 ? UNCOVERED_KEY : Number(String.fromCharCode(bytes[length > 1 && bytes[offset] === 0x54 ? offset + 1 : offset]!)));
const byTenant: TableRoute = { kind: "key", column: "tenant", dataType: "varchar", shardOf };
const inKey: TableSpec = { oid: 1, name: "orders", columns: [{ name: "tenant", key: true, large: true }, { name: "id", key: true }, { name: "doc", large: true }] };
const outside: TableSpec = { oid: 1, name: "orders", columns: [{ name: "tenant", large: true }, { name: "id", key: true }, { name: "doc", large: true }] };
const full: TableSpec = { ...outside, full: true };

async function sharded(table: TableSpec, message: WholeMessage, route: TableRoute = byTenant): Promise<ShardedChangeBatch> {
  const payloads = [xlogData({ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 1 }), xlogData(relationOf(table)), xlogData(message)];
  return await lastValueFrom(of(changeBatches(payloads)[0]!).pipe(shardChanges(() => route)));
}

/** What each shard has to do: `-` nothing. */
async function actions(table: TableSpec, message: WholeMessage, route?: TableRoute): Promise<string> {
  const batch = await sharded(table, message, route);
  return Array.from({ length: SHARDS }, (_, shard) => changesOfShard(batch, shard)).map((part) => (part.count === 0 ? "-" : Array.from(part.actions.subarray(0, part.count), (action) => ACTION_NAMES.get(action)).join("+"))).join(" ");
}

describe("what each of three shards does", () => {
  const before: Row = ["1", "7", "T"];
  test.each<[string, TableSpec, WholeMessage, string]>([
    ["an insert", inKey, insertMessage(inKey, before), "- Upsert -"],
    ["a delete, sharding key in the identity", inKey, deleteMessage(inKey, before), "- Delete -"],
    ["a delete, sharding key outside it", outside, deleteMessage(outside, before), "Delete Delete Delete"],
    ["a delete with the old row", full, deleteMessage(full, before), "- Delete -"],
    ["an update without an old key", inKey, updateMessage(inKey, before, ["1", "7", "s"]), "- Update -"],
    ["an update of another key column", inKey, updateMessage(inKey, before, ["1", "8", "T"]), "- Update -"],
    ["a row that moves", inKey, updateMessage(inKey, before, ["2", "7", "T"]), "- Delete Arrive"],
    ["an update with the sharding key outside the identity", outside, updateMessage(outside, before, ["1", "7", "s"]), "Delete Arrive Delete"],
    ["a row that moves, with its old row", full, updateMessage(full, before, ["2", "7", "T"]), "- Delete Arrive"],
    ["an update in place, with the old row", full, updateMessage(full, before, ["1", "7", "s"]), "- Update -"],
    ["a sharding key outside the row and the identity, not sent", outside, updateMessage(outside, ["T1", "7", "T"], ["T1", "7", "s"]), "UpdateAnywhere UpdateAnywhere UpdateAnywhere"],
    ["a sharding key outside the row but in the identity comes with the old key", inKey, updateMessage(inKey, ["T1", "7", "T"], ["T1", "7", "s"]), "- Update -"],
    ["the same with another key", inKey, updateMessage(inKey, ["T1", "7", "T"], ["T1", "8", "s"]), "- Update -"],
    ["the same with the old row", full, updateMessage(full, ["T1", "7", "T"], ["T1", "7", "s"]), "- Update -"],
  ])("%s", async (_, table, message, expected) => {
    expect(await actions(table, message)).toBe(expected);
  });

  test("tables that are not sharded by a key", async () => {
    const update = updateMessage(outside, ["1", "7", "T"], ["1", "8", "T"]);
    expect(await actions(outside, update, { kind: "omnisharded" })).toBe("Update Update Update");
    expect(await actions(outside, deleteMessage(outside, ["1", "7", "T"]), { kind: "omnisharded" })).toBe("Delete Delete Delete");
    expect(await actions(outside, insertMessage(outside, ["1", "7", "T"]), { kind: "omnisharded" })).toBe("Upsert Upsert Upsert");
    expect(await actions(outside, update, { kind: "fixed", shard: 2 })).toBe("- - Update");
    expect(await actions(outside, deleteMessage(outside, ["1", "7", "T"]), { kind: "fixed", shard: 0 })).toBe("Delete - -");
  });

  test("a truncate is every shard's", async () => {
    const truncate: PgoutputTruncate = { kind: "truncate", xid: undefined, relations: [1], cascade: false, restartIdentity: true };
    expect(await actions(inKey, truncate)).toBe("Truncate Truncate Truncate");
    expect(await actions(inKey, truncate, { kind: "fixed", shard: 0 })).toBe("Truncate Truncate Truncate");
  });
});

test("a batch keeps what it is, and an empty one goes to every shard", async () => {
  const batch = { ...changeBatches([xlogData({ kind: "begin", finalLsn: 10n, commitTime: 0n, xid: 1 }), xlogData({ kind: "commit", commitLsn: 10n, endLsn: 20n, commitTime: 0n })])[0]!, sequence: 5 };
  const [out] = await lastValueFrom(from([batch]).pipe(shardChanges(() => byTenant), toArray()));
  expect(out).toMatchObject({ sequence: 5, bytes: batch.bytes, resume: 20n, count: 0 });
  expect(changesOfShard(out!, 2)).toMatchObject({ sequence: 5, bytes: batch.bytes, resume: 20n, count: 0 });
});

test("a row that enters a row filter without its sharding key stops the stream", async () => {
  const message = insertMessage(outside, ["T1", "7", "T"]);
  if (message.kind !== "insert") throw new Error(message.kind);
  const entering: WholeMessage = { ...message, newTuple: [{ kind: "unchanged" }, ...message.newTuple.slice(1)] };
  await expect(sharded(outside, entering)).rejects.toMatchObject({ code: "SHARDING_KEY_NOT_SENT", place: { table: "orders" } });
});

test("a key without a shard stops the stream and names table and column", async () => {
  await expect(sharded(outside, insertMessage(outside, [null, "7", "T"]))).rejects.toMatchObject({ code: "SHARDING_KEY_NULL", place: { table: "orders" } });
  await expect(sharded(outside, insertMessage(outside, ["", "7", "T"]))).rejects.toMatchObject({ code: "SHARDING_KEY_UNCOVERED" });
  expect(EVERY_SHARD).toBeLessThan(0);
});

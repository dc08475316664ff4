import fc from "fast-check";
import { describe, test } from "vitest";
import type { Mapping, ShardedTable, ShardingRules } from "../../src/config/types.js";
import { routeOfTable } from "../../src/sharding/route-of-table.js";
import type { TableRoute } from "../../src/sharding/table-route.js";
import { equalKeysMeet } from "../../src/testing/equal-keys-meet.js";
import { copyAgreesWithStream, everyRowToOneShard, keyOrderKept, noPositionLost, routingStable } from "../../src/testing/properties.js";
import type { Subject } from "../../src/testing/subject.js";
import { shapeOf, testTable, type TestTable } from "../../src/testing/test-table.js";

/** Sharding keys of every type, in the key, beside it and under REPLICA IDENTITY FULL; first and last among the columns. */
const TABLES = [
  testTable("orders", { id: "bigint primary key", note: "text", doc: "jsonb" }),
  testTable("items", { n: "smallint primary key", doc: "bytea", id: "bigint primary key" }),
  testTable("small", { body: "text", tenant: "smallint primary key" }),
  testTable("devices", { serial: "uuid primary key", owner: "integer" }),
  testTable("pages", { doc: "text", url: "varchar primary key", hits: "integer not null" }),
  withLongKeys(testTable("addresses", { url: "text primary key", n: "integer primary key", doc: "text" })),
  testTable("moving", { n: "integer primary key", doc: "text", tenant: "bigint not null" }),
  testTable("drifting", { url: "text not null", n: "integer primary key", doc: "text" }),
  testTable("whole", { n: "integer primary key", serial: "uuid not null", doc: "text" }, { full: true }),
  testTable("sites", { n: "integer primary key", url: "text not null" }, { full: true }),
  testTable("log", { at: "double precision", tenant: "integer not null" }),
  testTable("everywhere", { n: "integer primary key", doc: "text" }),
  testTable("archived", { n: "integer primary key", doc: "text" }, { schema: "archive" }),
];
/** Keys that may be NULL, where a default takes them. */
const LOOSE_TABLES = [
  testTable("loose", { n: "integer primary key", tenant: "bigint", doc: "text" }),
  testTable("found", { serial: "uuid", n: "integer primary key" }, { full: true }),
  testTable("links", { n: "integer primary key", url: "varchar" }),
];

/** Keys are stored outside the row from a length on, too. */
function withLongKeys(table: TestTable): TestTable {
  return { ...table, columns: table.columns.map((column) => (column.type === "text" ? { ...column, large: true } : column)) };
}

const columns: readonly Pick<ShardedTable, "column" | "dataType">[] = [{ column: "id", dataType: "bigint" }, { column: "tenant", dataType: "bigint" }, { column: "serial", dataType: "uuid" }, { column: "url", dataType: "varchar" }];
/** Ranges and lists around the values that are drawn often. */
const MAPPINGS: Readonly<Record<ShardedTable["dataType"], readonly Mapping[]>> = {
  bigint: [{ kind: "list", values: [1n, -3n], shard: 0 }, { kind: "range", start: -10n, end: 5n, shard: 1 }, { kind: "default", shard: 2 }],
  uuid: [{ kind: "range", end: "80000000-0000-0000-0000-000000000000", shard: 1 }, { kind: "default", shard: 0 }],
  varchar: [{ kind: "list", values: ["", "NULL"], shard: 2 }, { kind: "range", start: "a", end: "é", shard: 0 }, { kind: "default", shard: 1 }],
};

function rules(tables: readonly ShardedTable[], archive: number): ShardingRules {
  return { tables, schemas: [{ name: "archive", shard: archive }, { shard: 0, all: true }], omnisharded: ["everywhere"] };
}

function subject(tables: readonly TestTable[], by: ShardingRules, min: number, max: number): Subject {
  const routeOf = (table: TestTable, shards: number): TableRoute => routeOfTable(shapeOf(table), by, shards);
  return { tables, routeOf, shards: { min, max } };
}

describe.each<[string, Subject, number]>([
  ["PostgreSQL's hash", subject(TABLES, rules(columns.map((column) => ({ ...column, hasher: "postgres", mapping: [] })), 0), 1, 7), 64],
  ["SHA-1", subject(TABLES, rules(columns.map((column) => ({ ...column, hasher: "sha1", mapping: [] })), 0), 1, 7), 64],
  ["lists, ranges and defaults", subject([...TABLES, ...LOOSE_TABLES], rules(columns.map((column) => ({ ...column, hasher: "postgres", mapping: MAPPINGS[column.dataType] })), 2), 3, 5), 8],
])("routing by %s", (_name, about, most) => {
  const onMany: Subject = { ...about, shards: { min: about.shards!.min, max: most } };
  const together = about.tables.filter(({ name }) => ["orders", "items", "small", "moving", "log", "loose"].includes(name));

  test("takes every row to exactly one shard", async () => { await fc.assert(everyRowToOneShard(onMany)); });
  test("is stable over insert, update and delete", async () => { await fc.assert(routingStable(about), { numRuns: 600 }); });
  test("does not depend on the table or on an integer column's width", async () => { await fc.assert(equalKeysMeet({ ...onMany, tables: together }), { numRuns: 200 }); });
  test("keeps the order of changes of one key", async () => { await fc.assert(keyOrderKept(about), { numRuns: 50 }); });
  test("loses no position", async () => { await fc.assert(noPositionLost(about), { numRuns: 50 }); });
  test("leads copied and streamed rows to the same shards", async () => { await fc.assert(copyAgreesWithStream(about), { numRuns: 200 }); });
});

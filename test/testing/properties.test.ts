import fc from "fast-check";
import { filter, map } from "rxjs";
import { describe, expect, test } from "vitest";
import { perRow } from "../../src/operators/per-row.js";
import type { TableOperator } from "../../src/operators/table-operator.js";
import { keyRouter } from "../../src/sharding/key-router.js";
import type { TableRoute } from "../../src/sharding/table-route.js";
import type { TableBatch, TableShape } from "../../src/table-batch.js";
import { equalKeysMeet } from "../../src/testing/equal-keys-meet.js";
import { commutesWithSplit, copyAgreesWithStream, everyRowToOneShard, keyOrderKept, noPositionLost, operatorProperties, routingStable } from "../../src/testing/properties.js";
import type { Property, Subject } from "../../src/testing/subject.js";
import { testTable, type TestTable } from "../../src/testing/test-table.js";

const users = testTable("users", { id: "bigint primary key", email: "text", score: "integer not null", note: "jsonb", ref: "uuid" });
const dates = testTable("dates", { id: "bigint primary key", at: "timestamptz", price: "numeric(9,2)", words: "text" });
const pages = testTable("pages", { site: "uuid primary key", n: "smallint primary key", body: "text", raw: "bytea" });
const log = testTable("log", { at: "double precision", what: "varchar(9)" });
const full = testTable("moved", { id: "integer primary key", tenant: "bigint not null", doc: "text", seen: "boolean" }, { full: true });
const drifting = testTable("drifting", { id: "integer primary key", owner: "text not null" });
const TABLES = [users, pages, log, full, drifting];

/** By hash, as a pipeline file's rules would have it. */
function routeOf(table: TestTable, shards: number): TableRoute {
  const key = (column: string, dataType: "bigint" | "uuid" | "varchar"): TableRoute => ({ kind: "key", column, dataType, shardOf: keyRouter({ dataType, hasher: "postgres", mapping: [] }, shards) });
  if (table.columns.some(({ name }) => name === "tenant")) return key("tenant", "bigint");
  if (["users", "dates"].includes(table.name)) return key("id", "bigint");
  if (table.name === "pages") return key("site", "uuid");
  if (table.name === "drifting") return key("owner", "varchar");
  return { kind: "omnisharded" };
}

/** Counts on rows being whole: a value of a column that is not null is there. */
const inCapitals = (table: TableShape): TableOperator | undefined => {
  const texts = table.columns.filter(({ type, partOfKey }) => type === "text" && !partOfKey).map(({ name }) => name);
  return texts.length === 0 ? undefined : perRow({ writes: texts }, (row) => ({ ...row, ...Object.fromEntries(texts.map((name) => [name, row[name] === null ? null : (row[name] as string).toUpperCase()])) }));
};
/** Half of the rows. */
const someRows = (table: TableShape): TableOperator => {
  const [first] = table.columns;
  return { writes: [], drops: true, operator: map((batch: TableBatch) => batch.filter((row) => (batch.column(first!.name).bytes(row)?.at(-1) ?? 0) % 2 === 0)) };
};
const onlyHighScores = (table: TableShape): TableOperator | undefined => table.name === "users" ? { writes: [], drops: true, operator: map((batch: TableBatch) => batch.filter((row) => (batch.column("score").value(row) as number) > 0)) } : undefined;
/** Changes keys too, and each to one of its own. */
const otherKeys = (table: TableShape): TableOperator | undefined => table.name === "drifting" ? { drops: false, operator: map((batch: TableBatch) => batch.with("id", (row) => {
  const id = batch.column("id").value(row) as number;
  return id ^ 1;
})) } : undefined;
const renamed = (table: TableShape): TableOperator => {
  const after: TableShape = { ...table, schema: "archive", columns: [...table.columns, { name: "origin", type: "text", partOfKey: false }] };
  return { table: after, writes: ["origin"], drops: false, operator: map((batch: TableBatch) => batch.reshape(after).with("origin", () => "shop")) };
};

describe("properties hold", () => {
  const subjects: Readonly<Record<string, Subject>> = {
    "without operators": { tables: TABLES, routeOf },
    "with values changed, rows left out, keys changed, tables renamed and columns added": { tables: TABLES, routeOf, operators: [inCapitals, onlyHighScores, otherKeys, renamed] },
    "with types that are text only": { tables: [dates], routeOf, operators: [inCapitals], formats: ["text"] },
    "with rows left out of every table": { tables: [users, pages, full], routeOf, operators: [someRows] },
  };
  test.each(Object.entries(subjects).flatMap(([name, subject]) => Object.entries(operatorProperties(subject)).map(([property, check]) => [`${property}, ${name}`, check] as const)))("%s", async (_name, property) => {
    await fc.assert(property);
  });
});

describe("properties find", () => {
  const one: Subject = { tables: [users], routeOf };
  const byPlaceInBatch = (): TableOperator => ({ writes: ["score"], drops: false, operator: map((batch: TableBatch) => batch.with("score", (row) => row)) });
  const everyOther = (): TableOperator => {
    let seen = 0;
    return { writes: [], drops: true, operator: map((batch: TableBatch) => batch.filter(() => seen++ % 2 === 0)) };
  };
  /** Takes the bytes around the key for part of it. */
  const byNeighbours = (shards: number): TableRoute => ({ kind: "key", column: "id", dataType: "bigint", shardOf: (bytes, offset, length) => bytes[offset + length]! % shards });
  const cases: readonly (readonly [name: string, property: Property])[] = [
    ["an operator that goes by a row's place in its batch", commutesWithSplit({ ...one, operators: [byPlaceInBatch] })],
    ["the same, where copied and streamed rows are compared", copyAgreesWithStream({ ...one, operators: [byPlaceInBatch] })],
    ["an operator that goes by what came before", copyAgreesWithStream({ ...one, operators: [everyOther] })],
    ["an operator that gives one row's changes other values, depending on the batch", keyOrderKept({ ...one, operators: [byPlaceInBatch] })],
    ["an operator that drops batches", noPositionLost({ ...one, operators: [() => ({ operator: filter(({ count }: TableBatch) => count > 1) })] })],
    ["an operator that leaves rows of deletions out", noPositionLost({ ...one, operators: [() => ({ operator: map((batch: TableBatch) => batch.filter((row) => !batch.column("score").isAbsent(row))) })] })],
    ["a route that goes by more than the key", routingStable({ tables: [users], routeOf: (_, shards) => byNeighbours(shards) })],
    ["tables whose equal keys are apart", equalKeysMeet({ tables: [users, full], shards: { min: 2, max: 4 }, routeOf: (table, shards) => ({ kind: "key", column: table === users ? "id" : "tenant", dataType: "bigint", shardOf: keyRouter({ dataType: "bigint", hasher: table === users ? "postgres" : "sha1", mapping: [] }, shards) }) })],
    ["a route to a shard that is not there", everyRowToOneShard({ tables: [users], routeOf: (_, shards) => ({ kind: "fixed", shard: shards }) })],
  ];
  test.each(cases)("%s", async (_name, property) => {
    expect(await fc.check(property, { numRuns: 500, endOnFailure: true })).toMatchObject({ failed: true });
  });
});

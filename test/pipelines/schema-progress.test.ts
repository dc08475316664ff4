import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PipelineEvent, SchemaStatement } from "../../src/pipelines/events.js";
import { elapsed, SchemaProgress, type SchemaRow } from "../../src/pipelines/schema-progress.js";
import { schemaSyncRow } from "../../src/pipelines/show-schema-sync.js";
import { indexProgressOf } from "../../src/postgres/index-progress.js";

const orders = { schema: "public", name: "orders" };
const statements: readonly SchemaStatement[] = [
  { kind: "table", object: orders, table: orders, sql: "CREATE TABLE orders ()" },
  { kind: "unique constraint", object: { schema: "public", name: "orders_key" }, table: orders, sql: "ALTER TABLE orders ADD UNIQUE (a)" },
  { kind: "schema", object: { schema: "", name: "s" }, sql: "CREATE SCHEMA s" },
];

const planned = (shard: number): PipelineEvent => ({ type: "schema-planned", phase: "pre", shard, statements });
const event = (shard: number, index: number, state: "running" | "done" | "failed", message?: string): PipelineEvent => ({
  type: "schema-statement", phase: "pre", shard, index, state, kind: "from the event", sql: "from the event", done: 0, total: 3, ...(message === undefined ? {} : { message }),
});
const build = (index: number, share?: number): PipelineEvent => ({ type: "index-progress", phase: "pre", shard: 0, index, doing: "scanning table", share });

function rowsAfter(...events: readonly (readonly [number, PipelineEvent])[]): readonly SchemaRow[] {
  const progress = new SchemaProgress();
  for (const [now, one] of events) progress.apply(one, now);
  return progress.rows();
}

describe("SchemaProgress", () => {
  it("has every statement of every shard, waiting at first", () => {
    const rows = rowsAfter([0, planned(1)], [0, planned(0)], [5, { type: "note", message: "x" }]);
    expect(rows).toEqual([0, 1].flatMap((shard) => statements.map((statement) => ({ ...statement, phase: "pre", shard, state: "waiting" }))));
  });

  it("follows a statement to its end", () => {
    const begun = [[0, planned(0)], [10, event(0, 1, "running")]] as const;
    expect(rowsAfter(...begun)[1]).toEqual({ ...statements[1], phase: "pre", shard: 0, state: "running", startedAt: 10 });
    expect(rowsAfter(...begun, [20, build(1, 0.5)])[1]).toMatchObject({ state: "running", startedAt: 10, doing: "scanning table", share: 0.5 });
    expect(rowsAfter(...begun, [20, build(1, 0.5)], [21, build(1)])[1]).not.toHaveProperty("share");
    expect(rowsAfter(...begun, [20, build(1, 0.5)], [30, event(0, 1, "done")])[1]).toEqual({ ...statements[1], phase: "pre", shard: 0, state: "done", startedAt: 10, endedAt: 30 });
    expect(rowsAfter(...begun, [30, event(0, 1, "failed", "no")])[1]).toEqual({ ...statements[1], phase: "pre", shard: 0, state: "failed", startedAt: 10, endedAt: 30, message: "no" });
  });

  it("does not take what comes too late for a build under way", () => {
    expect(rowsAfter([0, planned(0)], [0, build(1, 0.5)])[1]).not.toHaveProperty("share");
    expect(rowsAfter([0, planned(0)], [1, event(0, 1, "running")], [2, event(0, 1, "done")], [3, build(1, 0.5)])[1]).not.toHaveProperty("share");
  });

  it("begins a shard's phase anew at another attempt, and leaves the others", () => {
    const rows = rowsAfter([0, planned(0)], [0, planned(1)], [1, event(0, 0, "done")], [1, event(1, 0, "done")], [2, planned(0)]);
    expect(rows.map(({ state }) => state)).toEqual(["waiting", "waiting", "waiting", "done", "waiting", "waiting"]);
  });

  it("says which statements are under way, by shard and age", () => {
    const progress = new SchemaProgress();
    for (const [now, one] of [[0, planned(0)], [0, planned(1)], [1, event(1, 0, "running")], [2, event(0, 2, "running")], [3, event(0, 0, "running")], [4, event(0, 1, "done")]] as const) progress.apply(one, now);
    expect(progress.underWay().map(({ shard, sql }) => [shard, sql])).toEqual([[0, statements[2]!.sql], [0, statements[0]!.sql], [1, statements[0]!.sql]]);
    expect(progress.row("pre", 1, 0)).toMatchObject({ state: "running" });
    expect(progress.row("post", 1, 0)).toBeUndefined();
  });

  it("counts each statement of a shard once, whatever happens, and knows the time of all that began", () => {
    const one = fc.record({ shard: fc.nat(2), index: fc.nat(2), state: fc.constantFrom("running" as const, "done" as const, "failed" as const) });
    fc.assert(fc.property(fc.array(one), (happenings) => {
      const rows = rowsAfter(...[0, 1, 2].map((shard) => [0, planned(shard)] as const), ...happenings.map(({ shard, index, state }, now) => [now + 1, event(shard, index, state)] as const));
      expect(rows.map(({ shard, sql }) => [shard, sql])).toEqual([0, 1, 2].flatMap((shard) => statements.map(({ sql }) => [shard, sql])));
      for (const [place, row] of rows.entries()) {
        const last = happenings.findLast(({ shard, index }) => shard * 3 + index === place);
        expect(row.state).toBe(last?.state ?? "waiting");
        expect(elapsed(row, 1000) === undefined).toBe(row.state === "waiting");
        expect(elapsed(row, 1000) ?? 0).toBeGreaterThanOrEqual(0);
        expect(row.endedAt === undefined).toBe(row.state === "waiting" || row.state === "running");
      }
    }));
  });
});

describe("a row of SHOW SCHEMA_SYNC", () => {
  const [, unique] = rowsAfter([0, planned(0)], [5000, event(0, 1, "running")], [6000, build(1, 0.639)]);

  it("has the proxy's columns", () => {
    expect(schemaSyncRow(unique!, { database: "shop_sharded", user: "admin" }, 5000 + 3_723_004)).toEqual({
      database: "shop_sharded",
      user: "admin",
      shard: 0,
      kind: "index",
      sync_state: "running",
      started_at: new Date(5000),
      elapsed: "01:02:03.004",
      elapsed_ms: 3_723_004,
      table_schema: "public",
      table_name: "orders",
      sql: "ALTER TABLE orders ADD UNIQUE (a)",
      phase: "pre",
      statement_kind: "unique constraint",
      percent: 63,
      step: "scanning table",
      error: undefined,
    });
  });

  it("has no time while it waits, and is a statement where it is neither table nor index", () => {
    const [table, , schema] = rowsAfter([0, planned(0)]);
    expect(schemaSyncRow(table!, { database: "d", user: "u" }, 9)).toMatchObject({ kind: "table", sync_state: "waiting", started_at: undefined, elapsed: undefined, elapsed_ms: undefined, percent: undefined });
    expect(schemaSyncRow(schema!, { database: "d", user: "u" }, 9)).toMatchObject({ kind: "statement", statement_kind: "schema", table_schema: undefined, table_name: undefined });
  });
});

describe("indexProgressOf", () => {
  const row = { phase: "building index: scanning table", blocks_done: "25", blocks_total: "100", tuples_done: "0", tuples_total: "0" };

  it("counts blocks of a scan, tuples of what follows, and nothing of a sort", () => {
    expect(indexProgressOf(row)).toEqual({ doing: "scanning table", share: 0.25 });
    expect(indexProgressOf({ ...row, phase: "building index: sorting live tuples", blocks_done: "100" })).toEqual({ doing: "sorting live tuples", share: undefined });
    expect(indexProgressOf({ ...row, phase: "building index: loading tuples in tree", tuples_done: "3", tuples_total: "4" })).toEqual({ doing: "loading tuples in tree", share: 0.75 });
    expect(indexProgressOf({ ...row, phase: "building index" })).toEqual({ doing: "building index", share: 0.25 });
  });

  it("tells no share where the server does not: of an empty table, or to who may not see it", () => {
    expect(indexProgressOf({ ...row, blocks_done: "0", blocks_total: "0" })).toEqual({ doing: "scanning table", share: undefined });
    expect(indexProgressOf({ phase: null, blocks_done: null, blocks_total: null, tuples_done: null, tuples_total: null })).toEqual({ doing: "initializing", share: undefined });
  });
});

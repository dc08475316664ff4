import { describe, expect, it } from "vitest";
import type { Table } from "../../src/admin/answer.js";
import { showTasks } from "../../src/admin/show-tasks.js";
import { showReplicationSlots } from "../../src/admin/show-replication-slots.js";
import { showSchemaSync } from "../../src/admin/show-schema-sync.js";
import { showTableCopies } from "../../src/admin/show-table-copies.js";
import { showVerify } from "../../src/admin/show-verify.js";
import { showCutovers } from "../../src/admin/show-cutover.js";
import { Task } from "../../src/admin/task.js";
import type { TaskSpec } from "../../src/admin/task-spec.js";
import { waysOf } from "../../src/admin/task-ways.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { cutoverRow } from "../../src/pipelines/show-cutover.js";
import { makePipeline } from "../support/pipeline.js";

const address = (database: string) => ({ host: "h", port: 5432, database, user: "migrator", password: "s3cret", sslmode: "disable" }) as const;
const pipeline = makePipeline({ from: address("prod"), to: [address("s0"), address("s1")], publication: "p", name: "prod_2x" });
const spec = (kind: TaskSpec["kind"], more: Partial<TaskSpec> = {}): TaskSpec => ({ kind, source: "prod", destination: "prod_2x", publication: "p", slot: undefined, phase: undefined, reverse: false, ...more });

function task(id: number, of: TaskSpec, events: readonly (readonly [number, PipelineEvent])[] = []): Task {
  const made = Task.of(id, of, waysOf(pipeline), 0);
  made.state = "running";
  for (const [now, event] of events) {
    made.progress.apply(event, now);
    made.updatedAt = now;
  }
  return made;
}

const names = ({ columns }: Table): string[] => columns.map(({ name }) => name);
/** Rows as objects with what is not NULL. */
const records = ({ columns, rows }: Table): Record<string, unknown>[] => rows.map((row) => Object.fromEntries(columns.flatMap(({ name }, index) => (row[index] === undefined ? [] : [[name, row[index]]]))));

const started = (stage: string): PipelineEvent => ({ type: "stage-started", stage });
const finished = (stage: string, skipped?: true): PipelineEvent => ({ type: "stage-finished", stage, milliseconds: 5, ...(skipped === undefined ? {} : { skipped }) });
const planned = (name: string, sourceShard?: number) => ({ table: name, schema: "public", name, estimatedRows: 1000, sql: `COPY ${name}`, ...(sourceShard === undefined ? {} : { sourceShard }) });
const copyStarted: PipelineEvent = { type: "copy-started", tables: 3, rows: 3000, bytes: 1, planned: ["users", "orders", "tags"].map((name) => planned(name)) };
const progress = (table: string, rows: number): PipelineEvent => ({ type: "table-progress", table, rows, bytes: rows * 100, estimatedRows: 1000 });
const copied = (table: string, rows: number, resumed = false): PipelineEvent => ({ type: "table-copied", table, rows, bytes: resumed ? 0 : rows * 100, milliseconds: 500, resumed });

describe("SHOW TASKS", () => {
  it("has PgDog's columns first", () => {
    expect(names(showTasks([], 0)).slice(0, 9)).toEqual(["id", "scope", "type", "status", "inner_status", "started_at", "updated_at", "elapsed", "elapsed_ms"]);
  });

  it("shows a resharding and its parts as it goes on", () => {
    const reshard = task(5, spec("reshard"));
    const show = (now: number): unknown[] => showTasks([reshard], now).rows.map((row) => [row[0], row[1], row[2], row[3], row[4], row[9]]);
    expect(show(1)).toEqual([[5, "root", "reshard prod -> prod_2x", "running", "syncing schema", undefined]]);
    reshard.progress.apply(started("schema_sync:pre"), 10);
    expect(show(10)[1]).toEqual([undefined, "subtask", "schema_sync(pre) prod -> prod_2x", "running", "loading schema", undefined]);
    reshard.progress.apply({ type: "schema-planned", phase: "pre", shard: 0, statements: [{ kind: "table", sql: "CREATE TABLE users ()" }] }, 11);
    expect(show(11)[1]).toEqual([undefined, "subtask", "schema_sync(pre) prod -> prod_2x", "running", "syncing tables", "0 of 1 statement"]);
    for (const event of [finished("schema_sync:pre"), started("copy"), copyStarted, progress("users", 12), copied("orders", 7)]) reshard.progress.apply(event, 20);
    expect(show(20)).toEqual([
      [5, "root", "reshard prod -> prod_2x", "running", "syncing data", "0 of 3 tables, 19 rows"],
      [undefined, "subtask", "schema_sync(pre) prod -> prod_2x", "finished", undefined, "0 of 1 statement"],
      [undefined, "subtask", "data_sync prod -> prod_2x", "running", undefined, "0 of 3 tables, 19 rows"],
    ]);
    for (const event of [finished("copy"), started("schema_sync:post")]) reshard.progress.apply(event, 30);
    expect(show(30)[0]).toEqual([5, "root", "reshard prod -> prod_2x", "running", "finalizing schema", undefined]);
    for (const event of [finished("schema_sync:post"), started("replicate"), { type: "stream-progress", sourceShard: 0, applied: 1n, source: 5n, lag: 1_200_000, changes: 3 } as const]) reshard.progress.apply(event, 40);
    expect(show(40)[0]).toEqual([5, "root", "reshard prod -> prod_2x", "running", "replicating", "lag 1.2 MB"]);
    reshard.progress.apply(finished("replicate"), 50);
    reshard.interlude = "cutting over";
    reshard.progress.apply({ type: "cutover-step", migration: "m", step: "ready", state: "began" }, 51);
    expect(show(51)[0]).toEqual([5, "root", "reshard prod -> prod_2x", "running", "replicating", "ready"]);
    expect(show(51).at(-1)).toEqual([undefined, "subtask", "cutover prod -> prod_2x", "running", undefined, "ready"]);
    reshard.progress.apply({ type: "cutover-ended", migration: "m", outcome: "done", from: "prod", to: "prod_2x", paused: 12 }, 60);
    reshard.end("finished", 61);
    expect(show(99)[0]).toEqual([5, "root", "reshard prod -> prod_2x", "finished", undefined, undefined]);
    expect(showTasks([reshard], 99).rows.map((row) => row[8])).toEqual([61, 10, 10, 10, 10, 9]);
  });

  it.each<[TaskSpec, string, string]>([
    [spec("copy_data"), "copy_data prod -> prod_2x", "syncing schema"],
    [spec("replication"), "replication prod -> prod_2x", "replicating"],
    [spec("replication", { reverse: true }), "replication prod -> prod_2x (reverse)", "replicating"],
    [spec("schema_sync", { phase: "post-cutover" }), "schema_sync(post_cutover) prod -> prod_2x", "loading schema"],
    [spec("verify"), "verify prod -> prod_2x", "verifying"],
  ])("names %#", (of, type, inner) => {
    expect(records(showTasks([task(1, of)], 5))).toMatchObject([{ type, inner_status: inner, started_at: new Date(0), elapsed: "00:00:00.005", elapsed_ms: 5 }]);
  });

  it("tells why a task failed and what to do, and that one is stopped", () => {
    const failed = task(2, spec("copy_data"), [[1, started("copy")]]);
    failed.end("failed", 7, Object.assign(new Error("it broke"), {}));
    expect(records(showTasks([failed], 9))).toMatchObject([{ status: "failed: it broke", message: "This is a fault of pg-reshard; please report it." }, { status: "failed" }]);
    const stopping = task(3, spec("replication"));
    stopping.state = "cancelling";
    stopping.interlude = "stopping";
    expect(records(showTasks([stopping], 9))).toMatchObject([{ status: "cancelling", inner_status: "stopping" }]);
  });

  it("shows a part that goes on after an interruption as one, and what was done before a restart as it was", () => {
    const first = task(4, spec("copy_data"), [[1, started("schema_sync:pre")], [5, finished("schema_sync:pre")], [6, started("copy")], [9, finished("copy")], [10, started("replicate")], [12, finished("replicate")], [13, started("replicate")]]);
    expect(records(showTasks([first], 20)).map(({ type, elapsed_ms }) => [type, elapsed_ms])).toEqual([["copy_data prod -> prod_2x", 20], ["schema_sync(pre) prod -> prod_2x", 4], ["data_sync prod -> prod_2x", 3], ["replication prod -> prod_2x", 10]]);
    const again = Task.restored(JSON.parse(JSON.stringify(first.row()), (key, value: unknown) => (/edAt$/.test(key) && typeof value === "string" ? new Date(value) : value)) as ReturnType<Task["row"]>, first.spec, first.ways);
    for (const event of [started("schema_sync:pre"), finished("schema_sync:pre", true), started("copy"), finished("copy", true)]) again.progress.apply(event, 1000);
    expect(records(showTasks([again], 2000)).slice(1, 3).map(({ status, elapsed_ms }) => [status, elapsed_ms])).toEqual([["finished", 4], ["finished", 3]]);
  });
});

describe("SHOW TABLE_COPIES", () => {
  it("has PgDog's columns first", () => {
    expect(names(showTableCopies([], 0)).slice(0, 12)).toEqual(["schema", "table", "status", "rows", "rows_human", "bytes", "bytes_human", "bytes_per_sec", "bytes_per_sec_human", "elapsed", "elapsed_ms", "sql"]);
  });

  const copying = task(8, spec("copy_data"), [
    [0, started("copy")],
    [0, copyStarted],
    [1000, progress("users", 250)],
    [3000, progress("users", 500)],
    [2000, progress("orders", 1000)],
    [4000, copied("orders", 1000)],
  ]);

  it("shows those that run, then those that wait; keys are built after the rows", () => {
    expect(records(showTableCopies([copying], 5000))).toEqual([
      { schema: "public", table: "users", status: "running", rows: 500, rows_human: "500", bytes: 50_000, bytes_human: "50.0 kB", bytes_per_sec: 12_500, bytes_per_sec_human: "12.5 kB/s", elapsed: "00:00:04.000", elapsed_ms: 4000, sql: "COPY users", task_id: 8, source_shard: 0, estimated_rows: 1000, percent: 50, started_at: new Date(1000) },
      { schema: "public", table: "orders", status: "building key", rows: 1000, rows_human: "1,000", bytes: 100_000, bytes_human: "100 kB", bytes_per_sec: 50_000, bytes_per_sec_human: "50.0 kB/s", elapsed: "00:00:03.000", elapsed_ms: 3000, sql: "COPY orders", task_id: 8, source_shard: 0, estimated_rows: 1000, percent: 100, started_at: new Date(2000) },
      { schema: "public", table: "tags", status: "waiting", rows: 0, rows_human: "0", bytes: 0, bytes_human: "0 B", sql: "COPY tags", task_id: 8, source_shard: 0, estimated_rows: 1000, percent: 0 },
    ]);
  });

  it("keeps what is done with its totals, over a restart and a second report too", () => {
    const done = task(9, spec("copy_data"), [[0, copyStarted], [1000, progress("users", 500)], [2000, copied("users", 600)], [3000, { type: "table-key-built", table: "users", milliseconds: 9 }]]);
    const again = Task.restored({ ...done.row(), detail: JSON.parse(JSON.stringify(done.row().detail)) as unknown }, done.spec, done.ways);
    for (const event of [copyStarted, copied("users", 600, true), { type: "table-key-built", table: "users", milliseconds: 0 } as const]) again.progress.apply(event, 90_000);
    again.end("cancelled", 100_000);
    expect(records(showTableCopies([again], 200_000)).map(({ table, status, rows, bytes, elapsed_ms }) => [table, status, rows, bytes, elapsed_ms])).toEqual([
      ["orders", "stopped", 0, 0, undefined],
      ["tags", "stopped", 0, 0, undefined],
      ["users", "done", 600, 60_000, 2000],
    ]);
  });

  it("tells several source shards' parts of a table apart", () => {
    const two = task(1, spec("copy_data"), [
      [0, { type: "copy-started", tables: 2, rows: 2000, bytes: 1, planned: [planned("users", 0), planned("users", 1)] }],
      [1, { type: "table-progress", table: "users", sourceShard: 1, rows: 5, bytes: 50, estimatedRows: 1000 }],
    ]);
    expect(records(showTableCopies([two], 2)).map(({ table, source_shard, status, rows }) => [table, source_shard, status, rows])).toEqual([["users", 1, "running", 5], ["users", 0, "waiting", 0]]);
  });
});

describe("the other tables", () => {
  it("SHOW SCHEMA_SYNC has PgDog's columns first; what runs, failed and waits", () => {
    const statements = ["CREATE TABLE a ()", "CREATE TABLE b ()", "CREATE TABLE c ()"].map((sql) => ({ kind: "table", sql, table: { schema: "public", name: "x" } }));
    const event = (index: number, state: "running" | "done" | "failed"): PipelineEvent => ({ type: "schema-statement", phase: "pre", shard: 1, index, state, kind: "table", sql: statements[index]!.sql, done: 0, total: 3, ...(state === "failed" ? { message: "no" } : {}) });
    const syncing = task(2, spec("schema_sync", { phase: "pre" }), [[0, { type: "schema-planned", phase: "pre", shard: 1, statements }], [1, event(0, "running")], [2, event(0, "failed")], [3, event(1, "running")]]);
    const table = showSchemaSync([syncing], 5);
    expect(names(table).slice(0, 11)).toEqual(["database", "user", "shard", "kind", "sync_state", "started_at", "elapsed", "elapsed_ms", "table_schema", "table_name", "sql"]);
    expect(records(table).map(({ database, user, shard, sync_state, sql, error }) => [database, user, shard, sync_state, sql, error])).toEqual([
      ["prod_2x", "migrator", 1, "running", "CREATE TABLE b ()", undefined],
      ["prod_2x", "migrator", 1, "failed", "CREATE TABLE a ()", "no"],
      ["prod_2x", "migrator", 1, "waiting", "CREATE TABLE c ()", undefined],
    ]);
    syncing.end("failed", 6, new Error("no"));
    expect(records(showSchemaSync([syncing], 9)).map(({ sync_state }) => sync_state)).toEqual(["failed"]);
  });

  it("SHOW REPLICATION_SLOTS has PgDog's columns first", () => {
    const table = showReplicationSlots([{ task: 1, sourceShard: 0, address: address("prod"), database: "prod", name: "slot_0", lsn: "0/1", lagBytes: 1500, temporary: false, active: true, walStatus: "reserved", retainedBytes: 9, stream: { sourceShard: 0, applied: 1n, source: 2n, lag: 1, changes: 4, lastChangesAt: 1000 } }], 3000);
    expect(names(table).slice(0, 10)).toEqual(["host", "port", "database_name", "name", "lsn", "lag", "lag_bytes", "copy_data", "last_transaction", "last_transaction_ms"]);
    expect(records(table)).toEqual([{ host: "h", port: 5432, database_name: "prod", name: "slot_0", lsn: "0/1", lag: "1.5 kB", lag_bytes: 1500, copy_data: false, last_transaction: new Date(1000), last_transaction_ms: 2000, task_id: 1, database: "prod", source_shard: 0, active: true, wal_status: "reserved", retained_bytes: 9, changes: 4 }]);
  });

  it("SHOW VERIFY shows what is wrong first", () => {
    const verdict = (table: string, equal: boolean) => ({ table, sharding: "key id", sourceRows: 5, shardRows: [2, 3], equal, misplaced: 0 });
    const verified = task(3, spec("verify"), [[0, { type: "verify-started", tables: 2, position: undefined }], [1, { type: "table-verified", verdict: verdict("a", true) }], [2, { type: "table-verified", verdict: verdict("b", false) }]]);
    expect(records(showVerify([verified])).map(({ table, shard_rows, sound }) => [table, shard_rows, sound])).toEqual([["b", "2, 3", false], ["a", "2, 3", true]]);
  });

  it("SHOW CUTOVER has a row for each step", () => {
    const row = cutoverRow({ migration: "m", step: "drain", outcome: undefined, reason: undefined, fences: undefined, starts: undefined, durations: { ready: 1500.06, pause: 2 }, paused: undefined, startedAt: new Date(0), stepAt: new Date(5), endedAt: undefined }, { direction: "forward", from: "prod", to: "prod_2x" });
    expect(records(showCutovers([row])).map(({ state, step, step_state, elapsed_ms }) => [state, step, step_state, elapsed_ms])).toEqual([
      ["running", "ready", "done", 1500.1], ["running", "pause", "done", 2], ["running", "fence", "done", undefined], ["running", "drain", "running", undefined],
      ["running", "finish", "waiting", undefined], ["running", "switch", "waiting", undefined], ["running", "resume", "waiting", undefined],
    ]);
  });

  it("no password is in any of them", () => {
    const made = task(1, spec("copy_data"), [[0, copyStarted]]);
    const now = 5;
    for (const table of [showTasks([made], now), showTableCopies([made], now), showSchemaSync([made], now)]) expect(JSON.stringify(table)).not.toContain("s3cret");
    expect(JSON.stringify(made.row())).not.toContain("s3cret");
  });
});

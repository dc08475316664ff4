import { beforeAll, describe, expect, it } from "vitest";
import type { Pipeline } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { parseLsn } from "../../src/postgres/lsn.js";
import { startTestCluster } from "../support/cluster.js";
import { stand, type Stand } from "../support/move.js";
import { eventsOf, hashed, runToEnd } from "../support/pipeline.js";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

const SCHEMA = `
  CREATE TABLE items (id bigint PRIMARY KEY, owner bigint NOT NULL, price numeric(10, 2), body text, old text DEFAULT 'gone');
  CREATE TABLE settings (name text PRIMARY KEY, value text)`;
const ROWS = "INSERT INTO items SELECT n, n % 7, n, 'item ' || n FROM generate_series(1, 200) n; INSERT INTO settings VALUES ('a', '1'), ('b', '2')";
const sharding = { tables: [hashed("owner", "bigint", { name: "items" })], omnisharded: ["settings"] };

async function newStand(name: string, onDdl: Pipeline["onDdl"] = "stop"): Promise<Stand> {
  const scene = await stand({ cluster, name: `ddl_${name}`, schema: SCHEMA, rows: ROWS, sharding, tables: [] });
  return { ...scene, pipeline: { ...scene.pipeline, onDdl } };
}

/** Every row of every table, from the source and from all shards together, as JSON. */
async function rowsOf({ source, shards }: Stand, table: string, everywhere = false): Promise<{ source: string[]; shards: string[] }> {
  const read = async (database: string): Promise<string[]> => {
    const client = await cluster.connect(database);
    const { rows } = await client.query<{ row: Record<string, unknown> }>(`SELECT to_jsonb(t) AS row FROM ${table} t`);
    await client.end();
    return rows.map(({ row }) => JSON.stringify(Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))));
  };
  const there = await Promise.all(shards.map(({ database }) => read(database)));
  return { source: (await read(source.database)).sort(), shards: (everywhere ? there[0]! : there.flat()).sort() };
}

async function expectSame(scene: Stand, ...tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    const rows = await rowsOf(scene, table, table === "settings");
    expect(rows.source.length).toBeGreaterThan(0);
    expect(rows.shards).toEqual(rows.source);
  }
}

async function onShards({ shards }: Stand, sql: string): Promise<void> {
  for (const { database } of shards) {
    const client = await cluster.connect(database);
    await client.query(sql);
    await client.end();
  }
}

/** What the error tells to run on every shard. */
function statementsOf(remedy: string | undefined): string {
  const found = /Run on every shard: (.*;) then run the same command again/s.exec(remedy ?? "");
  expect(found, remedy).not.toBeNull();
  return found![1]!;
}

async function failure(run: Promise<unknown>): Promise<{ code: string; message: string; remedy: string }> {
  try {
    await run;
  } catch (error) {
    return error as { code: string; message: string; remedy: string };
  }
  throw new Error("the run went on");
}

const STREAM: Pipeline["stages"] = [{ type: "replicate", until: "stopped" }];

/** A run during which the source is changed, each time once the shards have what came before; it is stopped after the last. */
async function runAndChange({ client, pipeline }: Stand, changes: readonly string[]): Promise<void> {
  const abort = new AbortController();
  let step = 0;
  let target: bigint | undefined = 0n;
  const change = async (sql: string): Promise<void> => {
    target = undefined;
    await client.query(sql);
    target = parseLsn((await client.query<{ lsn: string }>("SELECT pg_current_wal_lsn()::text AS lsn")).rows[0]!.lsn);
  };
  await runToEnd(pipeline, {
    signal: abort.signal,
    report(event) {
      if (event.type !== "stream-progress" || target === undefined || event.applied < target) return;
      const sql = changes[step++];
      if (sql === undefined) abort.abort();
      else void change(sql);
    },
  });
  expect(step).toBe(changes.length + 1);
}

/** Runs that stop at a change, the shards changed as the error says, and the run that goes on. */
async function stopsAndGoesOn(scene: Stand, change: readonly string[], told: RegExp): Promise<string> {
  expect((await runToEnd(scene.pipeline)).sound).toBe(true);
  // What comes before the change is applied even so, and nothing after it.
  await scene.client.query("UPDATE items SET price = price + 1 WHERE id % 5 = 0; INSERT INTO items (id, owner, body) VALUES (1000, 3, 'before')");
  for (const statement of change) await scene.client.query(statement);
  const stopped = await failure(runToEnd(scene.pipeline));
  expect(stopped).toMatchObject({ code: "SCHEMA_CHANGED", message: expect.stringMatching(told) as string });
  expect(await failure(runToEnd(scene.pipeline))).toMatchObject({ code: "SCHEMA_CHANGED" });
  const before = await Promise.all(scene.shards.map(async ({ database }) => {
    const client = await cluster.connect(database);
    const { rows } = await client.query<{ count: number }>("SELECT count(*)::int4 AS count FROM items WHERE id = 1000");
    await client.end();
    return rows[0]!.count;
  }));
  expect(before.reduce((sum, count) => sum + count, 0)).toBe(1);
  await onShards(scene, statementsOf(stopped.remedy));
  const run = await runToEnd(scene.pipeline);
  expect(run.verdicts.filter((verdict) => !verdict.equal || verdict.misplaced > 0)).toEqual([]);
  await expectSame(scene, "items", "settings");
  return stopped.remedy;
}

describe("case 12: the schema changes on the source during the move", () => {
  it("a column is added, with a default", async () => {
    await stopsAndGoesOn(await newStand("add"), [
      "ALTER TABLE items ADD COLUMN since timestamptz NOT NULL DEFAULT now()",
      "INSERT INTO items (id, owner, since) VALUES (1001, 4, '2001-02-03'); UPDATE items SET body = 'after' WHERE id % 7 = 0",
    ], /column "since" was added/);
  });

  it("a column is added without a default, and one in the middle of a transaction", async () => {
    const scene = await newStand("within");
    await stopsAndGoesOn(scene, [
      "ALTER TABLE items ADD COLUMN note varchar(20) COLLATE \"C\"",
      "BEGIN; INSERT INTO items (id, owner, note) VALUES (1001, 4, 'first'); UPDATE items SET body = 'x' WHERE id < 20; ALTER TABLE settings ADD COLUMN kind int DEFAULT 7; INSERT INTO settings VALUES ('c', '3', 8); UPDATE items SET note = 'later' WHERE id % 3 = 0; COMMIT",
    ], /column "note" was added/).catch(async (error: unknown) => {
      // The other table's change is the next stop.
      expect(error).toMatchObject({ code: "SCHEMA_CHANGED", message: expect.stringContaining('column "kind" was added') as string });
      await onShards(scene, statementsOf((error as { remedy: string }).remedy));
    });
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    await expectSame(scene, "items", "settings");
  });

  it("a column is dropped", async () => {
    const scene = await newStand("drop");
    await stopsAndGoesOn(scene, ["ALTER TABLE items DROP COLUMN old", "UPDATE items SET body = 'after' WHERE id % 7 = 0"], /column "old" was dropped/);
  });

  it("a column's type changes, and another's modifier", async () => {
    const scene = await newStand("retype");
    const retype = "ALTER TABLE items ALTER COLUMN old DROP DEFAULT, ALTER COLUMN old TYPE int USING CASE WHEN old = 'gone' THEN 0 ELSE old::int END";
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    // The first update comes in the type of before, within the transaction that changes it.
    await scene.client.query(`BEGIN; UPDATE items SET old = '12' WHERE id < 30; ${retype}; COMMIT; UPDATE items SET old = 13 WHERE id % 7 = 0`);
    const retyped = await failure(runToEnd(scene.pipeline));
    expect(retyped).toMatchObject({ code: "SCHEMA_CHANGED", message: expect.stringContaining('column "old" became integer (text on the shards)') as string });
    await onShards(scene, retype);
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    await scene.client.query("ALTER TABLE items ALTER COLUMN price TYPE numeric(12, 4); UPDATE items SET price = 1.2345 WHERE id < 50");
    const stopped = await failure(runToEnd(scene.pipeline));
    expect(stopped.message).toContain('column "price" became numeric(12,4) (numeric(10,2) on the shards)');
    await onShards(scene, statementsOf(stopped.remedy));
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    await expectSame(scene, "items", "settings");
  });

  it("a table is made, and one that has rows is added to the publication", async () => {
    const scene = await newStand("table");
    await scene.client.query("DROP PUBLICATION everything; CREATE TABLE late (id bigint PRIMARY KEY, owner bigint NOT NULL); INSERT INTO late SELECT n, n FROM generate_series(1, 50) n; CREATE PUBLICATION everything FOR TABLE items, settings");
    const pipeline = { ...scene.pipeline, to: { ...scene.pipeline.to, sharding: { ...scene.pipeline.to.sharding, tables: [hashed("owner", "bigint")] } } };
    expect((await runToEnd(pipeline)).sound).toBe(true);
    await scene.client.query("CREATE TABLE fresh (id bigint PRIMARY KEY, owner bigint NOT NULL, body text); ALTER PUBLICATION everything ADD TABLE late, fresh; INSERT INTO fresh SELECT n, n, 'x' FROM generate_series(1, 50) n; UPDATE late SET owner = owner + 1 WHERE id < 10");
    expect(await failure(runToEnd(pipeline))).toMatchObject({ code: "SCHEMA_DIFFERS", message: expect.stringContaining("the table fresh is missing") as string });
    await onShards(scene, "CREATE TABLE fresh (id bigint PRIMARY KEY, owner bigint NOT NULL, body text)");
    // The schema of the first run had `late` already.
    const run = await runToEnd(pipeline);
    expect(run.sound).toBe(true);
    expect(run.verdicts.map(({ table }) => table)).toEqual(["fresh", "items", "late", "settings"]);
    await expectSame(scene, "items", "settings", "late", "fresh");
    await scene.client.query("ALTER PUBLICATION everything DROP TABLE late; UPDATE late SET owner = 5");
    expect(await failure(runToEnd(pipeline))).toMatchObject({ code: "PUBLICATION_NARROWED", message: expect.stringContaining("late") as string });
    await scene.client.query("DROP TABLE late");
    expect((await runToEnd(pipeline)).sound).toBe(true);
  });

  it("a table that is made and dropped again between two runs is left out", async () => {
    const scene = await newStand("gone");
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    await scene.client.query("CREATE TABLE import (id bigint PRIMARY KEY, owner bigint NOT NULL); INSERT INTO import SELECT n, n FROM generate_series(1, 10) n; DROP TABLE import; UPDATE items SET price = 3");
    const run = await runToEnd(scene.pipeline);
    expect(run.sound).toBe(true);
    expect(eventsOf(run.events, "note").map(({ message }) => message)).toContainEqual("import is gone on the source: what the stream still has of it is left out.");
    await expectSame(scene, "items", "settings");
  });

  it("a table is renamed while the stream runs, and one while it does not", async () => {
    const scene = await newStand("rename");
    const renamed = (table: string): Pipeline => ({ ...scene.pipeline, to: { ...scene.pipeline.to, sharding: { ...scene.pipeline.to.sharding, omnisharded: [table] } } });
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    const stopped = await failure(runAndChange({ ...scene, pipeline: { ...scene.pipeline, stages: STREAM } }, ["UPDATE settings SET value = 'z'; ALTER TABLE settings RENAME TO options; UPDATE options SET value = 'y' WHERE name = 'b'"]));
    expect(stopped).toMatchObject({ code: "SCHEMA_CHANGED", message: expect.stringContaining("settings is called options") as string });
    await onShards(scene, statementsOf(stopped.remedy));
    expect((await runToEnd(renamed("options"))).sound).toBe(true);
    // What comes under the former name goes to the table as it is called by now.
    await scene.client.query("UPDATE options SET value = 'x' WHERE name = 'a'; ALTER TABLE options RENAME TO choices; INSERT INTO choices VALUES ('new', 'n')");
    expect(await failure(runToEnd(renamed("choices")))).toMatchObject({ code: "SCHEMA_DIFFERS", message: expect.stringContaining("the table choices is missing") as string });
    await onShards(scene, "ALTER TABLE options RENAME TO choices");
    expect(await failure(runToEnd(renamed("choices")))).toMatchObject({ code: "DESTINATION_NOT_EMPTY", remedy: expect.stringContaining("UPDATE reshard.table_progress") as string });
    await onShards(scene, "UPDATE reshard.table_progress SET table_name = 'choices' WHERE table_name = 'options'");
    expect((await runToEnd(renamed("choices"))).sound).toBe(true);
  });

  it("a table is dropped and made again", async () => {
    const scene = await newStand("anew");
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    const made = "CREATE TABLE settings (name text PRIMARY KEY, value text)";
    const stopped = await failure(runAndChange({ ...scene, pipeline: { ...scene.pipeline, stages: STREAM } }, [`DROP TABLE settings; ${made}; INSERT INTO settings VALUES ('c', '1')`]));
    expect(stopped).toMatchObject({ code: "SCHEMA_CHANGED", message: expect.stringContaining("dropped on the source and made again") as string });
    await onShards(scene, `DROP TABLE settings; ${made}; DELETE FROM reshard.table_progress WHERE table_name = 'settings'`);
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    await expectSame(scene, "items", "settings");
  });

  it("with on_ddl = \"apply\" added columns and tables are carried over while the stream goes on", async () => {
    const scene = await newStand("apply");
    const pipeline = { ...scene.pipeline, to: { ...scene.pipeline.to, sharding: { ...scene.pipeline.to.sharding, tables: [hashed("owner", "bigint")] } }, onDdl: "apply" } as const;
    await runAndChange({ ...scene, pipeline: { ...pipeline, stages: [...pipeline.stages.slice(0, 3), ...STREAM] } }, [
      "CREATE TYPE mood AS ENUM ('good', 'bad'); ALTER TABLE items ADD COLUMN mood mood NOT NULL DEFAULT 'good'; UPDATE items SET mood = 'bad' WHERE id % 3 = 0",
      "BEGIN; INSERT INTO items (id, owner) VALUES (2000, 1); ALTER TABLE items ADD COLUMN at timestamptz DEFAULT now(), ADD COLUMN n int; UPDATE items SET n = id WHERE id % 4 = 0; COMMIT",
      "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner bigint NOT NULL, body text UNIQUE); CREATE INDEX ON notes (owner); INSERT INTO notes (owner, body) SELECT n, 'note ' || n FROM generate_series(1, 100) n",
      "UPDATE notes SET owner = owner + 1; DELETE FROM notes WHERE id % 10 = 0; INSERT INTO notes (owner, body) VALUES (77, 'last'); ALTER TABLE settings ADD COLUMN extra jsonb DEFAULT '{\"a\": 1}'; INSERT INTO settings VALUES ('x', 'y')",
      "ALTER TABLE items ADD COLUMN late text DEFAULT 'l'; CREATE TABLE second (id bigint PRIMARY KEY, owner bigint NOT NULL); INSERT INTO second SELECT n, n FROM generate_series(1, 30) n; UPDATE items SET late = 'm' WHERE id % 4 = 1",
    ]);
    const run = await runToEnd(pipeline);
    expect(run.verdicts.map(({ table, equal, misplaced }) => ({ table, equal, misplaced }))).toEqual(["items", "notes", "second", "settings"].map((table) => ({ table, equal: true, misplaced: 0 })));
    await expectSame(scene, "items", "settings", "notes", "second");
    const shard = await cluster.connect(scene.shards[0]!.database);
    const { rows } = await shard.query<{ indexdef: string }>("SELECT indexdef FROM pg_indexes WHERE tablename = 'notes' ORDER BY 1");
    await shard.end();
    expect(rows).toHaveLength(3);
  });

  it("a column whose rows got values of their own is not added without asking", async () => {
    const scene = await newStand("serial", "apply");
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    await scene.client.query("ALTER TABLE items ADD COLUMN number bigserial; UPDATE items SET price = 1 WHERE id = 5");
    const stopped = await failure(runToEnd(scene.pipeline));
    expect(stopped).toMatchObject({ code: "SCHEMA_CHANGED", remedy: expect.stringContaining("TRUNCATE") as string });
    await onShards(scene, "CREATE SEQUENCE items_number_seq; ALTER TABLE items ADD COLUMN number bigint; TRUNCATE items; DELETE FROM reshard.table_progress WHERE table_schema = 'public' AND table_name = 'items'");
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    await expectSame(scene, "items", "settings");
  });

  it.each(["stop", "apply"] as const)("a column added after the run began and before a table's copy, on_ddl = %s", async (onDdl) => {
    const scene = await newStand(`copy_${onDdl}`, onDdl);
    const change = async (): Promise<void> => {
      await scene.client.query("ALTER TABLE items ADD COLUMN late int DEFAULT 3; UPDATE items SET late = 4 WHERE id % 2 = 0");
    };
    const running = runToEnd(scene.pipeline, { async beforeStage(stage) { if (stage.type === "copy") await change(); } });
    if (onDdl === "stop") {
      const stopped = await failure(running);
      expect(stopped).toMatchObject({ code: "SCHEMA_CHANGED" });
      await onShards(scene, statementsOf(stopped.remedy));
    } else expect((await running).sound).toBe(true);
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    await expectSame(scene, "items", "settings");
  });
});

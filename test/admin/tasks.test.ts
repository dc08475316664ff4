import type pg from "pg";
import { beforeAll, describe, expect, inject, it, onTestFinished } from "vitest";
import { type Cluster, startCluster } from "../../src/embedded/cluster.js";
import { startAdmin } from "../support/admin-database.js";
import { worldOf } from "../support/admin-world.js";
import { startTestCluster } from "../support/cluster.js";
import { type App, APP_TABLES, AppWriters, makeApp, wrongEntries } from "../support/cutover-app.js";
import { differences } from "../support/oracle.js";
import { moment } from "../support/moment.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster({ settings: { max_connections: "200", max_replication_slots: "60", max_wal_senders: "60" } });
});

type Row = Record<string, string | null>;

const show = async (admin: pg.Client, what: string): Promise<Row[]> => (await admin.query<Row>(`SHOW ${what}`)).rows;
const rootsOf = async (admin: pg.Client): Promise<Row[]> => (await show(admin, "TASKS")).filter(({ scope }) => scope === "root");
const idOf = async (admin: pg.Client, command: string): Promise<string> => (await admin.query<{ task_id: string }>(command)).rows[0]!.task_id;

/** Waits for a state of the task, and fails where it ends otherwise. */
async function until(admin: pg.Client, id: string, is: (row: Row) => boolean): Promise<Row> {
  for (;;) {
    const row = (await rootsOf(admin)).find((candidate) => candidate["id"] === id);
    if (row === undefined) throw new Error(`task ${id} is gone`);
    if (is(row)) return row;
    if (/^(failed|finished|cancelled)/.test(row["status"]!)) throw new Error(`task ${id} is ${JSON.stringify(row)}`);
    await moment();
  }
}

const replicating = (row: Row): boolean => row["inner_status"] === "replicating" && /^(no )?lag/.test(row["progress"] ?? "");

/** Compares both sides while the changes stream; fails where they differ. */
async function verified(admin: pg.Client): Promise<string> {
  const id = await idOf(admin, "VERIFY prod spare everything");
  await until(admin, id, ({ status }) => status === "finished");
  return id;
}
const named = (row: Row, ...names: string[]): (string | null)[] => names.map((name) => row[name] ?? null);

async function slots(app: App): Promise<string[]> {
  const client = await cluster.connect();
  const { rows } = await client.query<{ name: string }>("SELECT slot_name AS name FROM pg_replication_slots WHERE database = ANY ($1) AND NOT temporary ORDER BY 1", [[...app.source, ...app.shards].map(({ database }) => database)]);
  await client.end();
  return rows.map(({ name }) => name);
}

async function write(app: App, sql: string): Promise<void> {
  const client = await cluster.connect(app.source[0]!.database);
  await client.query(sql);
  await client.end();
}

describe("COPY_DATA", () => {
  it("copies, streams, and goes on after a restart of the process; STOP_TASK ends it", async () => {
    const shardCluster = await startCluster({ template: inject("clusterTemplate") });
    onTestFinished(() => shardCluster.stop());
    const app = await makeApp(cluster, "copied", { shardCluster });
    await write(app, "INSERT INTO entries (owner, writer, number) SELECT 1 + i % 20, 0, i FROM generate_series(1, 1000) i");
    const first = await startAdmin(worldOf(app));
    let admin = await first.connect();
    // A slot is not made before what is open has ended; and then the rows of one table cannot be written.
    const writer = await cluster.connect(app.source[0]!.database);
    const locker = await shardCluster.connect(app.shards[0]!.database);
    onTestFinished(async () => {
      await Promise.all([writer.end(), locker.end()]);
    });
    await writer.query("BEGIN; UPDATE kinds SET title = title");
    const { rows: [begun] } = await admin.query<{ task_id: string; replication_slot: string }>("COPY_DATA prod spare everything");
    const id = begun!.task_id;
    expect(Number(id)).toBeGreaterThan(0);
    await until(admin, id, ({ inner_status }) => inner_status === "syncing data");
    await locker.query("BEGIN; LOCK TABLE entries IN SHARE MODE");
    await writer.query("COMMIT");
    const states = async (): Promise<Record<string, string | null>> => Object.fromEntries((await show(admin, "TABLE_COPIES")).map(({ table, status }) => [table!, status!]));
    for (let copies = {}; Object.values(copies).filter((state) => state === "done").length < 3; copies = await states());
    expect(await states()).toEqual({ owners: "done", kinds: "done", lines: "done", entries: expect.stringMatching(/waiting|running/) as string });
    expect((await show(admin, "TASKS")).slice(0, 3).map((row) => named(row, "scope", "type", "status", "inner_status"))).toEqual([
      ["root", "copy_data prod -> spare", "running", "syncing data"],
      ["subtask", "schema_sync(pre) prod -> spare", "finished", null],
      ["subtask", "data_sync prod -> spare", "running", null],
    ]);
    expect((await show(admin, "REPLICATION_SLOTS")).map((row) => named(row, "name", "copy_data", "database_name", "task_id"))).toContainEqual([`${begun!.replication_slot}_0`, false, "copied_old_0", id]);
    await expect(admin.query("RESHARD prod spare everything")).rejects.toMatchObject({ code: "55006", detail: "pg-reshard error ALREADY_RUNNING", message: `Task ${id} (copy_data prod -> spare) works on the same migration.` });
    await expect(admin.query("RESHARD prod nowhere everything")).rejects.toMatchObject({ code: "3D000" });
    await expect(admin.query(`CUTOVER ${id}`)).rejects.toMatchObject({ message: "task is not a replication task" });
    await first.close();

    const second = await startAdmin(worldOf(app));
    admin = await second.connect();
    expect((await rootsOf(admin)).map((row) => named(row, "id", "status"))).toEqual([[id, "running"]]);
    await locker.query("COMMIT");
    await until(admin, id, replicating);
    // What the process before had done is there with its totals.
    const copies = await show(admin, "TABLE_COPIES");
    expect(copies.map((row) => named(row, "table", "status", "rows")).sort()).toEqual([["entries", "done", "1000"], ["kinds", "done", "2"], ["lines", "done", "0"], ["owners", "done", "20"]]);
    expect(Number(copies.find(({ table }) => table === "owners")!["bytes"])).toBeGreaterThan(0);
    await write(app, "UPDATE owners SET total = 7; DELETE FROM entries WHERE number % 2 = 0");
    const verify = await verified(admin);
    expect((await rootsOf(admin)).map((row) => named(row, "id", "type"))).toEqual([[verify, "verify prod -> spare"], [id, "copy_data prod -> spare"]]);
    expect((await show(admin, "VERIFY")).map((row) => named(row, "table", "source_rows", "sound"))).toEqual(expect.arrayContaining([["entries", "500", true], ["owners", "20", true]]));
    await until(admin, id, replicating);
    expect((await show(admin, "REPLICATION_SLOTS")).map((row) => named(row, "name", "copy_data", "active", "task_id"))).toEqual([[`${begun!.replication_slot}_0`, false, true, id]]);

    const notices: (string | undefined)[] = [];
    admin.on("notice", ({ message }) => notices.push(message));
    expect((await admin.query(`STOP_TASK ${id}`)).rows).toEqual([{ stop_task: "OK" }]);
    expect(notices).toEqual([expect.stringContaining(`${begun!.replication_slot}_… stay`)]);
    await until(admin, id, ({ status }) => status === "cancelled");
    expect(await slots(app)).toEqual([`${begun!.replication_slot}_0`]);
    // The slot kept what is written now.
    await write(app, "UPDATE owners SET name = 'new'");
    const again = await idOf(admin, "REPLICATE prod spare everything");
    expect(Number(again)).toBeGreaterThan(Number(id));
    await until(admin, again, replicating);
    await verified(admin);
    await second.close();
    expect(await differences(app.source, app.shards, APP_TABLES)).toEqual([]);

    const third = await startAdmin(worldOf(app));
    admin = await third.connect();
    expect((await rootsOf(admin)).map((row) => named(row, "id", "status"))).toMatchObject([[expect.anything(), "finished"], [again, "running"], [verify, "finished"], [id, "cancelled"]]);
    await until(admin, again, replicating);
    await admin.query(`STOP_TASK ${again} DROP PROGRESS`);
    await until(admin, again, ({ status }) => status === "cancelled");
    expect(await slots(app)).toEqual([]);
    const shard = await shardCluster.connect(app.shards[0]!.database);
    expect((await shard.query("SELECT to_regnamespace('reshard') AS schema")).rows).toEqual([{ schema: null }]);
    await shard.end();
    expect((await admin.query(`STOP_TASK ${id}`)).rows).toEqual([{ stop_task: "OK" }]);
    expect((await admin.query("STOP_TASK 1")).rows).toEqual([{ stop_task: "task not found" }]);
    await third.close();
  });

  it("tells why it failed, and that is not forgotten", async () => {
    const app = await makeApp(cluster, "failing");
    const first = await startAdmin(worldOf(app));
    let admin = await first.connect();
    const id = await idOf(admin, "COPY_DATA prod spare nothing");
    const { status, message } = await until(admin, id, (row) => row["status"]!.startsWith("failed"));
    expect(status).toContain("nothing");
    expect(message).not.toBeNull();
    await first.close();
    const second = await startAdmin(worldOf(app));
    admin = await second.connect();
    expect(await rootsOf(admin)).toMatchObject([{ id, status, message }]);
    // The same may be begun again.
    const phase = await idOf(admin, "SCHEMA_SYNC PRE prod spare everything");
    await until(admin, phase, (row) => row["status"] === "finished");
    const shard = await cluster.connect(app.shards[1]!.database);
    expect((await shard.query("SELECT count(*)::int4 AS tables FROM pg_tables WHERE schemaname = 'public'")).rows).toEqual([{ tables: 4 }]);
    await shard.end();
  });
});

describe("RESHARD", () => {
  it("moves an application while it writes, back by CUTOVER, and ends with STOP_TASK", async () => {
    const app = await makeApp(cluster, "moved");
    const writers = await AppWriters.start(app);
    const first = await startAdmin(worldOf(app));
    let admin = await first.connect();
    try {
      await writers.more(50);
      const id = await idOf(admin, "RESHARD prod spare everything");
      await until(admin, id, ({ status }) => status === "finished");
      expect(app.gate.inCharge).toBe(app.pipeline.to.name);
      const subtasks = (await show(admin, "TASKS")).filter(({ scope, type }) => scope === "subtask" && type!.endsWith("prod -> spare"));
      expect(subtasks.map((row) => named(row, "type", "status"))).toEqual([
        ["schema_sync(pre) prod -> spare", "finished"], ["data_sync prod -> spare", "finished"], ["schema_sync(post) prod -> spare", "finished"],
        ["replication prod -> spare", "finished"], ["cutover prod -> spare", "finished"],
      ]);
      const reverse = (await rootsOf(admin))[0]!;
      // The names are exchanged: prod is what was spare.
      expect(named(reverse, "type", "status")).toEqual(["replication prod -> spare (reverse)", "running"]);
      expect((await show(admin, "CUTOVER")).map((row) => named(row, "direction", "state", "step", "step_state"))).toEqual(
        ["ready", "pause", "fence", "drain", "finish", "switch", "resume"].map((step) => ["forward", "done", step, "done"]),
      );
      await writers.more(50);
      await until(admin, reverse["id"]!, replicating);
      expect(await slots(app)).toHaveLength(2);
      await first.close();

      // A process that comes later knows which way it goes by now.
      const second = await startAdmin(worldOf(app));
      admin = await second.connect();
      expect(named((await rootsOf(admin))[0]!, "id", "type")).toEqual([reverse["id"], "replication prod -> spare (reverse)"]);
      await writers.more(50);
      await until(admin, reverse["id"]!, replicating);
      expect((await admin.query("CUTOVER")).rows).toEqual([{ cutover: "OK" }]);
      await until(admin, reverse["id"]!, ({ status }) => status === "finished");
      expect(app.gate.inCharge).toBe(app.pipeline.from.name);
      await writers.more(50);
      const forward = (await rootsOf(admin))[0]!;
      expect(named(forward, "type", "status")).toEqual(["replication prod -> spare (reverse)", "running"]);
      await until(admin, forward["id"]!, replicating);
      const tasks = (await rootsOf(admin)).map((row) => row["id"]);

      // The end of the first task was never noted: what has become of its cutover since is not its business any more.
      await second.close();
      const journal = await cluster.connect(app.shards[0]!.database);
      await journal.query(`UPDATE reshard.task SET status = 'running', ended_at = NULL, detail = jsonb_set(detail::jsonb, '{cutover}', '"under way"')::json WHERE id = $1`, [id]);
      await journal.end();
      const third = await startAdmin(worldOf(app));
      admin = await third.connect();
      await until(admin, id, ({ status }) => status === "finished");
      await until(admin, forward["id"]!, replicating);
      expect((await rootsOf(admin)).map((row) => row["id"])).toEqual(tasks);
      await writers.stop();
      await verified(admin);
      expect(await wrongEntries(app.source, writers.acknowledged)).toEqual([]);
      expect(await wrongEntries(app.shards, writers.acknowledged)).toEqual([]);
      expect(await differences(app.source, app.shards, APP_TABLES)).toEqual([]);
      expect(await slots(app)).toHaveLength(1);
      await admin.query(`STOP_TASK ${forward["id"]!} DROP PROGRESS`);
      await until(admin, forward["id"]!, ({ status }) => status === "finished");
      expect(await slots(app)).toEqual([]);
    } finally {
      await writers.stop().catch(() => undefined);
    }
  });

  it("goes on replicating where the cutover is given up, and cuts over when it is asked to", async () => {
    const app = await makeApp(cluster, "refused");
    app.gate.before = (method) => {
      if (method === "pause") throw new Error("nobody can be held back");
    };
    const admin = await (await startAdmin(worldOf(app))).connect();
    const id = await idOf(admin, "RESHARD prod spare everything");
    const { message, inner_status } = await until(admin, id, (row) => row["message"]?.includes("given up") === true);
    expect(message).toContain("nobody can be held back");
    expect(inner_status).toBe("replicating");
    expect(app.gate.inCharge).toBe(app.pipeline.from.name);
    await until(admin, id, replicating);
    await write(app, "UPDATE owners SET name = 'later'");
    app.gate.before = () => undefined;
    await admin.query(`CUTOVER ${id}`);
    await until(admin, id, ({ status }) => status === "finished");
    expect(app.gate.inCharge).toBe(app.pipeline.to.name);
    const reverse = (await rootsOf(admin))[0]!["id"]!;
    await until(admin, reverse, replicating);
    await verified(admin);
    await admin.query(`STOP_TASK ${reverse}`);
    await until(admin, reverse, ({ status }) => status === "finished");
    expect(await slots(app)).toEqual([]);
    expect(await differences(app.source, app.shards, APP_TABLES)).toEqual([]);
  });
});

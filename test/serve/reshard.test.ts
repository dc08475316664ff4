import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestCluster } from "../support/cluster.js";
import { APP_PASSWORD, databasesToml, GENERAL_TOML, Served, ServedFiles, usersToml } from "../support/served.js";
import { KINDS, readTold, TOLD_SCHEMA, toldShardingToml, ToldWriters } from "../support/told-writers.js";

/* RESHARD through the gateway while applications write: there, back, and there again. */

let served: Served;
let source: pg.Client[];
let shards: pg.Client[];

beforeAll(async () => {
  const old = await startTestCluster({ settings: { max_prepared_transactions: 20 } });
  const fresh = await startTestCluster({ settings: { max_prepared_transactions: 20 } });
  const places = [0, 1, 2].map((number) => ({ cluster: fresh, database: `shop_${number}` }));
  await old.createDatabase("shop");
  for (const { cluster, database } of places) await cluster.createDatabase(database);
  source = [await old.connect("shop")];
  shards = await Promise.all(places.map(({ cluster, database }) => cluster.connect(database)));
  await source[0]!.query(TOLD_SCHEMA);
  served = await Served.start(new ServedFiles(
    GENERAL_TOML.replace("[general]", "[general]\ntwo_phase_commit = true") + databasesToml({ prod: [{ cluster: old, database: "shop" }], prod_3x: places }) + toldShardingToml("prod_3x"),
    usersToml(old),
  ));
});
afterAll(async () => {
  await served.serving.close();
});

type Task = Readonly<Record<"id" | "type" | "status" | "inner_status", string>>;

/** Waits for a task that leads what is written back to where it was written before, and gives its id. Names are those of now. */
async function streamingBack(admin: pg.Client, ...but: readonly string[]): Promise<string> {
  for (;;) {
    const { rows } = await admin.query<Task>("SHOW TASKS");
    const failed = rows.find(({ status }) => status.startsWith("failed"));
    if (failed !== undefined) throw new Error(JSON.stringify(failed));
    const found = rows.find(({ id, type, inner_status: inner }) => type === "replication prod -> prod_3x (reverse)" && inner === "replicating" && !but.includes(id));
    if (found !== undefined) return found.id;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("there, back and there again: no error, and no commit that is lost or done twice", async () => {
  const login = { host: "127.0.0.1", port: served.serving.port, user: "app", password: APP_PASSWORD, database: "prod" };
  const writers = await ToldWriters.start({ login, writers: KINDS });
  const admin = await served.admin();
  await writers.more(200);
  await admin.query("RESHARD prod prod_3x all_tables");
  const there = await writers.during(() => streamingBack(admin));
  await writers.more(300);
  await admin.query(`CUTOVER ${there}`);
  const back = await writers.during(() => streamingBack(admin, there));
  await writers.more(300);
  await admin.query(`CUTOVER ${back}`);
  await writers.during(() => streamingBack(admin, there, back));
  await writers.more(300);
  await writers.stop();
  expect(writers.faults(await readTold(shards))).toEqual([]);
  await expect.poll(async () => writers.faults(await readTold(source)), { timeout: 30_000 }).toEqual([]);
  await admin.end();
}, 120_000);

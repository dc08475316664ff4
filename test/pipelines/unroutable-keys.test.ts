import type pg from "pg";
import { beforeAll, describe, expect, inject, it, onTestFinished } from "vitest";
import type { Mapping, Pipeline, ShardedTable } from "../../src/config/types.js";
import { type Cluster, startCluster } from "../../src/embedded/cluster.js";
import { ReshardError } from "../../src/errors.js";
import { startTestCluster } from "../support/cluster.js";
import { differences, type PlacedTable } from "../support/oracle.js";
import { addressOf, hashed, makePipeline, type Place, runToEnd } from "../support/pipeline.js";
import { newShards } from "../support/shop.js";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

/** By region, a list: north and south are covered. */
const lists: readonly Mapping[] = [
  { kind: "list", values: ["north"], shard: 0 },
  { kind: "list", values: ["south"], shard: 1 },
];
const west: Mapping = { kind: "list", values: ["west"], shard: 1 };
const otherwise: Mapping = { kind: "default", shard: 0 };
const byRegion = (...more: readonly Mapping[]): ShardedTable => ({ name: "stores", column: "region", dataType: "varchar", hasher: "postgres", mapping: [...lists, ...more] });

const tables: readonly PlacedTable[] = [
  { schema: "public", name: "orders", placement: { kind: "hash", column: "customer", type: "bigint" } },
  { schema: "public", name: "stores", placement: { kind: "sql", shard: "CASE WHEN t.region IN ('south', 'west') THEN 1 ELSE 0 END" } },
  { schema: "public", name: "countries", placement: { kind: "everywhere" } },
];

interface Scene {
  readonly source: Place;
  readonly shards: readonly Place[];
  readonly client: pg.Client;
  readonly pipeline: (...rules: readonly ShardedTable[]) => Pipeline;
}

async function newScene(name: string, servers: Cluster = cluster): Promise<Scene> {
  const source = { cluster, database: name };
  await cluster.createDatabase(name);
  const client = await cluster.connect(name);
  await client.query(`
    CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, note text);
    CREATE TABLE stores (id bigint PRIMARY KEY, region text, name text);
    CREATE TABLE countries (code text PRIMARY KEY);
    INSERT INTO orders SELECT i, i, 'note' FROM generate_series(1, 100) i;
    INSERT INTO stores SELECT i, CASE i % 2 WHEN 0 THEN 'north' ELSE 'south' END, 'store ' || i FROM generate_series(1, 20) i;
    INSERT INTO countries VALUES ('de');
    CREATE PUBLICATION everything FOR ALL TABLES;`);
  const shards = await newShards(servers, name, 2);
  return {
    source,
    shards,
    client,
    pipeline: (...rules) => makePipeline({ from: addressOf(source), to: shards.map((shard) => addressOf(shard)), publication: "everything", sharding: { tables: [hashed("customer", "bigint"), ...rules] } }),
  };
}

async function failure(pipeline: Pipeline): Promise<ReshardError> {
  const error = await runToEnd(pipeline).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ReshardError);
  await expect.poll(() => sessions(), { timeout: 20_000 }).toEqual([]);
  return error as ReshardError;
}

async function sessions(servers: Cluster = cluster): Promise<string[]> {
  const client = await servers.connect();
  const { rows } = await client.query<{ name: string }>("SELECT application_name AS name FROM pg_stat_activity WHERE application_name LIKE 'pg-reshard%'");
  await client.end();
  return rows.map(({ name }) => name);
}

async function expectSound({ source, shards }: Scene, pipeline: Pipeline): Promise<void> {
  expect((await runToEnd(pipeline)).sound).toBe(true);
  expect(await differences(source, shards, tables)).toEqual([]);
}

async function confirmed({ client }: Scene): Promise<string> {
  const { rows } = await client.query<{ lsn: string }>("SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE database = current_database()");
  return rows[0]!.lsn;
}

describe("a row without a sharding key", () => {
  it("stops the copy; after the row was put right the run goes on", async () => {
    const scene = await newScene("null_copied");
    await scene.client.query("UPDATE orders SET customer = NULL WHERE id = 50");
    const error = await failure(scene.pipeline(byRegion()));
    expect(error).toMatchObject({ code: "SHARDING_KEY_NULL", kind: "operator", place: { table: "orders" } });
    expect(error.message).toContain('"customer"');
    expect(error.remedy).toContain(`SELECT * FROM "public"."orders" WHERE "customer" IS NULL`);
    await scene.client.query("UPDATE orders SET customer = 7 WHERE id = 50");
    await expectSound(scene, scene.pipeline(byRegion()));
  });

  it("stops the stream each time, and nothing is acknowledged past it; a default shard takes it", async () => {
    const scene = await newScene("null_streamed");
    await runToEnd(scene.pipeline(byRegion()));
    await scene.client.query("INSERT INTO stores VALUES (100, 'north', 'before')");
    const { rows } = await scene.client.query<{ lsn: string }>("SELECT pg_current_wal_insert_lsn() AS lsn");
    await scene.client.query("INSERT INTO stores VALUES (101, NULL, 'nowhere')");
    await scene.client.query("UPDATE stores SET region = 'south' WHERE id = 101");
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(await failure(scene.pipeline(byRegion()))).toMatchObject({ code: "SHARDING_KEY_NULL", place: { table: "stores" } });
      expect((await scene.client.query("SELECT $1::pg_lsn <= $2::pg_lsn AS kept", [await confirmed(scene), rows[0]!.lsn])).rows).toEqual([{ kept: true }]);
    }
    await expectSound(scene, scene.pipeline(byRegion(otherwise)));
  });
});

describe("a key that no list covers", () => {
  it("stops the copy; after the mapping was changed the run goes on", async () => {
    const scene = await newScene("uncovered_copied");
    await scene.client.query("INSERT INTO stores VALUES (100, 'west', 'far out')");
    const error = await failure(scene.pipeline(byRegion()));
    expect(error).toMatchObject({ code: "SHARDING_KEY_UNCOVERED", kind: "operator", place: { table: "stores" } });
    expect(error.message).toContain('"region"');
    await expectSound(scene, scene.pipeline(byRegion(west)));
  });

  it("stops the stream; after the mapping was changed the run goes on", async () => {
    const scene = await newScene("uncovered_streamed");
    await runToEnd(scene.pipeline(byRegion()));
    await scene.client.query("UPDATE stores SET region = 'west' WHERE id <= 5");
    expect(await failure(scene.pipeline(byRegion()))).toMatchObject({ code: "SHARDING_KEY_UNCOVERED", place: { table: "stores" } });
    await expectSound(scene, scene.pipeline(byRegion(west)));
  });

  it("goes to the default shard where there is one, copied and streamed", async () => {
    const scene = await newScene("default");
    await scene.client.query("INSERT INTO stores VALUES (100, 'east', 'far out'), (101, NULL, 'nowhere')");
    await expectSound(scene, scene.pipeline(byRegion(otherwise)));
    await scene.client.query("INSERT INTO stores VALUES (102, 'east', 'far out'), (103, NULL, 'nowhere'); UPDATE stores SET region = NULL WHERE id <= 4; UPDATE stores SET region = 'south' WHERE id >= 100");
    await expectSound(scene, scene.pipeline(byRegion(otherwise)));
  });
});

describe("a table whose copy fails", () => {
  it("stops the copies of the others, also of one that waits", async () => {
    // A slot waits for every transaction of its server: one that waits for our lock has to be on another.
    const elsewhere = await startCluster({ template: inject("clusterTemplate") });
    onTestFinished(() => elsewhere.stop());
    const scene = await newScene("others", elsewhere);
    const pipeline = scene.pipeline(byRegion());
    await scene.client.query("UPDATE orders SET customer = NULL WHERE id = 50");
    const blocker = await elsewhere.connect(scene.shards[0]!.database);
    const error = await runToEnd(pipeline, {
      beforeStage: async ({ type }) => {
        if (type === "copy") await blocker.query("BEGIN; LOCK TABLE countries IN ACCESS SHARE MODE");
      },
    }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "SHARDING_KEY_NULL" });
    await blocker.query("COMMIT");
    await blocker.end();
    for (const server of [cluster, elsewhere]) await expect.poll(() => sessions(server), { timeout: 20_000 }).toEqual([]);
    // Had it gone on, the table would be there now, and the lock taken again.
    const client = await elsewhere.connect(scene.shards[0]!.database);
    expect((await client.query("SELECT table_name FROM reshard.table_progress WHERE table_name = 'countries'")).rows).toEqual([]);
    await client.end();
    await scene.client.query("UPDATE orders SET customer = 7 WHERE id = 50");
    await expectSound(scene, pipeline);
  });
});

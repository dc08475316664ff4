import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { embeddedBinaries } from "../../src/embedded/binaries.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { addressOf, eventsOf, hashed, makePipeline, type PipelineParts, type Place, runToEnd } from "../support/pipeline.js";
import { startStandby } from "../support/standby.js";

let primary: Cluster;
let standbys: readonly Cluster[];
let elsewhere: Cluster;
beforeAll(async () => {
  // Servers copied from one template have one system identifier, as a server and its standbys do.
  [primary, elsewhere] = await Promise.all([startTestCluster(), startTestCluster({ binaries: embeddedBinaries() })]);
  standbys = [await startStandby(primary), await startStandby(primary)];
});

const TABLES = 6;
const PLACEMENTS = Array.from({ length: TABLES }, (_, number) => ({ schema: "public", name: `t${number}`, placement: { kind: "hash", column: "id", type: "bigint" } as const }));

interface Scene {
  readonly source: Place;
  readonly client: pg.Client;
  readonly shards: readonly Place[];
  readonly parts: PipelineParts;
}

async function newScene(name: string): Promise<Scene> {
  const source = { cluster: primary, database: `source_${name}` };
  await primary.createDatabase(source.database);
  const client = await primary.connect(source.database);
  for (let table = 0; table < TABLES; table++) await client.query(`CREATE TABLE t${table} (id bigint PRIMARY KEY, v text); INSERT INTO t${table} SELECT n, 'v' FROM generate_series(1, 200) AS n`);
  await client.query("CREATE PUBLICATION p FOR ALL TABLES");
  const shards: Place[] = [];
  for (let shard = 0; shard < 2; shard++) {
    const database = `shard_${name}_${shard}`;
    await elsewhere.createDatabase(database);
    shards.push({ cluster: elsewhere, database });
  }
  return { source, client, shards, parts: { from: addressOf(source), to: shards.map((shard) => addressOf(shard)), publication: "p", sharding: { tables: [hashed("id", "bigint")] } } };
}

function replica(cluster: Cluster, { source }: Scene, reshardingOnly = false) {
  return { ...addressOf({ cluster, database: source.database }), reshardingOnly };
}

/** Waits until the standbys know a scene's database, so that a run finds it there. */
async function untilReplayed(scene: Scene): Promise<void> {
  const { rows } = await scene.client.query<{ lsn: string }>("SELECT pg_current_wal_insert_lsn() AS lsn");
  for (const standby of standbys) {
    const client = await standby.connect();
    await expect.poll(async () => (await client.query<{ there: boolean }>("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there", [rows[0]!.lsn])).rows[0]!.there, { timeout: 20_000 }).toBe(true);
    await client.end();
  }
}

function copiedFrom(events: readonly PipelineEvent[]): string[] {
  return eventsOf(events, "table-copied").map(({ standby }) => standby ?? "primary").sort();
}

describe("tables are copied from standbys", () => {
  it("that share the load, though the primary is idle", async () => {
    const scene = await newScene("shared");
    await untilReplayed(scene);
    const run = await runToEnd(makePipeline({ ...scene.parts, replicas: standbys.map((standby) => replica(standby, scene)) }));
    expect(run.sound).toBe(true);
    expect(copiedFrom(run.events)).toEqual(standbys.flatMap(({ host, port }) => Array.from({ length: TABLES / 2 }, () => `${host}:${port}/${scene.source.database}`)).sort());
    expect(await differences(scene.source, scene.shards, PLACEMENTS)).toEqual([]);
    await scene.client.end();
  });

  it("that are kept for it, and from no others", async () => {
    const scene = await newScene("kept");
    await untilReplayed(scene);
    const run = await runToEnd(makePipeline({ ...scene.parts, replicas: [replica(standbys[0]!, scene), replica(standbys[1]!, scene, true)] }));
    expect(new Set(copiedFrom(run.events))).toEqual(new Set([`${standbys[1]!.host}:${standbys[1]!.port}/${scene.source.database}`]));
    expect(run.sound).toBe(true);
    await scene.client.end();
  });

  it("that lag, once they have caught up: nothing that was written in between is lost", async () => {
    const scene = await newScene("lagging");
    await untilReplayed(scene);
    const controls = await Promise.all(standbys.map((standby) => standby.connect()));
    for (const control of controls) await control.query("SELECT pg_wal_replay_pause()");
    await scene.client.query("UPDATE t0 SET v = 'before'; DELETE FROM t1 WHERE id % 3 = 0");
    const events: PipelineEvent[] = [];
    const running = runToEnd(makePipeline({ ...scene.parts, replicas: standbys.map((standby) => replica(standby, scene)) }), { report: (event) => { events.push(event); } });
    await expect.poll(() => eventsOf(events, "note").filter(({ message }) => message.includes("bytes of WAL behind")).length, { timeout: 30_000 }).toBeGreaterThan(0);
    expect(eventsOf(events, "table-copied")).toEqual([]);
    await scene.client.query("UPDATE t2 SET v = 'during'; INSERT INTO t3 SELECT n, 'during' FROM generate_series(1000, 1100) AS n");
    for (const control of controls) {
      await control.query("SELECT pg_wal_replay_resume()");
      await control.end();
    }
    expect((await running).sound).toBe(true);
    expect(await differences(scene.source, scene.shards, PLACEMENTS)).toEqual([]);
    await scene.client.end();
  });
});

describe("what is no standby of the source is refused before anything is made", () => {
  it("the primary itself, and another server", async () => {
    const scene = await newScene("refused");
    await elsewhere.createDatabase(scene.source.database);
    for (const [cluster, code] of [[primary, "REPLICA_IS_PRIMARY"], [elsewhere, "REPLICA_IS_PRIMARY"]] as const) {
      await expect(runToEnd(makePipeline({ ...scene.parts, replicas: [replica(cluster, scene)] }))).rejects.toMatchObject({ code });
    }
    const standby = await startStandby(elsewhere);
    await expect(runToEnd(makePipeline({ ...scene.parts, replicas: [replica(standby, scene)] }))).rejects.toMatchObject({ code: "REPLICA_OF_ANOTHER" });
    expect((await scene.client.query("SELECT FROM pg_replication_slots WHERE database = current_database()")).rowCount).toBe(0);
    await scene.client.end();
  });
});

import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { startWriters, type Writers } from "../../src/demo/start-writers.js";
import type { Pipeline } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { newShop } from "../demo/shop.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { eventsOf, type Place, runToEnd } from "../support/pipeline.js";
import { newShards, shopPipeline, shopPlacements } from "../support/shop.js";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

/** Our sessions on the server, those for which the condition holds. */
async function sessions(condition = "true"): Promise<string[]> {
  const client = await cluster.connect();
  const { rows } = await client.query<{ name: string }>(`SELECT application_name AS name FROM pg_stat_activity WHERE application_name LIKE 'pg-reshard%' AND ${condition}`);
  await client.end();
  return rows.map(({ name }) => name);
}

/** Where to stop: the event after which the operator asks for it. */
const moments: readonly { readonly name: string; readonly what: string; readonly at: (event: PipelineEvent) => boolean }[] = [
  { name: "pre", what: "the schema's first phase", at: (event) => event.type === "schema-statement" && event.phase === "pre" && event.done > 10 },
  { name: "copying", what: "the first rows of the copy", at: (event) => event.type === "table-progress" },
  { name: "copied", what: "the third copied table", at: countdown(3, (event) => event.type === "table-copied") },
  { name: "key", what: "the second primary key", at: countdown(2, (event) => event.type === "table-key-built") },
  { name: "post", what: "the schema's last phase", at: (event) => event.type === "schema-statement" && event.phase === "post" && event.done > 5 },
  { name: "verify", what: "the first verdict", at: (event) => event.type === "table-verified" },
];

function countdown(count: number, of: (event: PipelineEvent) => boolean): (event: PipelineEvent) => boolean {
  let left = count;
  return (event) => of(event) && --left <= 0;
}

interface Scene {
  readonly source: Place;
  readonly shards: readonly Place[];
  readonly pipeline: Pipeline;
  readonly writers: Writers;
  /** Awaited before every stage, so that the stream has something to bring in every run. */
  readonly beforeStage: () => Promise<void>;
}

async function newScene(name: string): Promise<Scene> {
  const source = { cluster, database: `shop_${name}` };
  await (await newShop(cluster, source.database, 2500)).end();
  const shards = await newShards(cluster, `shard_${name}`, 2);
  const writers = await startWriters(() => cluster.connect(source.database), 2, { seed: 9, transactionsPerSecond: 100 });
  onTestFinished(async () => {
    await writers.stop();
  });
  const beforeStage = async (): Promise<void> => {
    const { committed } = writers.report();
    await writers.until((report) => report.committed >= committed + 10);
  };
  return { source, shards, pipeline: shopPipeline(source, shards), writers, beforeStage };
}

/** After a run was stopped: everything is let go of, and the same call goes on from there. */
async function continued({ source, shards, pipeline, writers, beforeStage }: Scene, first: readonly PipelineEvent[]): Promise<void> {
  await expect.poll(() => sessions(), { timeout: 20_000 }).toEqual([]);
  const second = await runToEnd(pipeline, { beforeStage });
  expect(second.sound).toBe(true);
  const finished = eventsOf(first, "stage-finished").map(({ stage }) => stage);
  const skipped = eventsOf(second.events, "stage-finished").filter((event) => event.skipped === true).map(({ stage }) => stage);
  expect(skipped).toEqual(finished.filter((stage) => stage.startsWith("schema_sync") || stage === "copy"));
  // A table whose rows had all arrived is not copied again.
  const again = new Set(eventsOf(second.events, "table-progress").map(({ table }) => table));
  for (const { table } of eventsOf(first, "table-copied")) expect(again).not.toContain(table);

  await writers.stop();
  expect((await runToEnd(pipeline)).sound).toBe(true);
  expect(await differences(source, shards, shopPlacements)).toEqual([]);
}

describe("a run that is stopped", () => {
  it.each(moments)("in $what is continued by the same call", async ({ name, at }) => {
    const scene = await newScene(name);
    const abort = new AbortController();
    const first: PipelineEvent[] = [];
    const report = (event: PipelineEvent): void => {
      first.push(event);
      if (at(event)) abort.abort();
    };
    await expect(runToEnd(scene.pipeline, { signal: abort.signal, beforeStage: scene.beforeStage, report })).rejects.toMatchObject({ code: "INTERRUPTED", kind: "operator" });
    expect(abort.signal.aborted).toBe(true);
    await continued(scene, first);
  });

  it("in the middle of a change brings that to its end, and is continued by the same call", async () => {
    const scene = await newScene("streaming");
    const abort = new AbortController();
    const first: PipelineEvent[] = [];
    const blocker = await cluster.connect(scene.shards[1]!.database);
    const run = runToEnd(scene.pipeline, {
      signal: abort.signal,
      report: (event) => { first.push(event); },
      beforeStage: async (stage) => {
        await scene.beforeStage();
        if (stage.type === "replicate") await blocker.query("BEGIN; LOCK TABLE users, orders");
      },
    });
    const outcome = expect(run).rejects.toMatchObject({ code: "INTERRUPTED" });
    await expect.poll(() => sessions("wait_event_type = 'Lock'"), { timeout: 30_000 }).toEqual([expect.stringMatching(/ apply 0$/)]);
    abort.abort();
    await blocker.query("COMMIT");
    await blocker.end();
    await outcome;
    expect(eventsOf(first, "stage-started").at(-1)).toMatchObject({ stage: "replicate" });
    await continued(scene, first);
  });

  it("before it begins changes nothing", async () => {
    const source = { cluster, database: "shop_never" };
    await (await newShop(cluster, source.database, 100)).end();
    const shards = await newShards(cluster, "shard_never", 2);
    await expect(runToEnd(shopPipeline(source, shards), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "INTERRUPTED" });
    for (const { database } of shards) {
      const client = await cluster.connect(database);
      expect((await client.query("SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace")).rowCount).toBe(0);
      await client.end();
    }
  });

  it("while it only streams ends well, with all it had taken on the shards", async () => {
    const source = { cluster, database: "shop_ends_well" };
    await (await newShop(cluster, source.database, 1000)).end();
    const shards = await newShards(cluster, "shard_ends_well", 2);
    const pipeline = shopPipeline(source, shards);
    await runToEnd(pipeline);
    const writers = await startWriters(() => cluster.connect(source.database), 4, { seed: 4, transactionsPerSecond: 200 });
    onTestFinished(async () => {
      await writers.stop();
    });
    const abort = new AbortController();
    const run = await runToEnd({ ...pipeline, stages: [{ type: "replicate", until: "stopped" }] }, {
      signal: abort.signal,
      report: (event) => {
        if (event.type === "stream-progress" && event.changes > 300) abort.abort();
      },
    });
    expect(run.verdicts).toEqual([]);
    expect(eventsOf(run.events, "stage-finished").map(({ stage }) => stage)).toEqual(["replicate"]);
    await expect.poll(() => sessions(), { timeout: 20_000 }).toEqual([]);
    await writers.stop();
    // The slot is acknowledged at least as far as the first shard with changes is, so that nothing is streamed again.
    const client = await cluster.connect(source.database);
    const { rows } = await client.query<{ confirmed: string }>("SELECT confirmed_flush_lsn AS confirmed FROM pg_replication_slots WHERE database = current_database()");
    await client.end();
    for (const { database } of shards) {
      const shard = await cluster.connect(database);
      const { rows: applied } = await shard.query<{ reached: boolean }>("SELECT applied_lsn <= $1::pg_lsn AS reached FROM reshard.stream_progress", [rows[0]!.confirmed]);
      await shard.end();
      expect(applied).toEqual([{ reached: true }]);
    }
    expect((await runToEnd(pipeline)).sound).toBe(true);
    expect(await differences(source, shards, shopPlacements)).toEqual([]);
  });
});

describe("a pipeline that is run until caught up", () => {
  it("streams what was written since, each time it is run, and does nothing twice", async () => {
    const source = { cluster, database: "shop_again" };
    const client = await newShop(cluster, source.database, 1000);
    const shards = await newShards(cluster, "shard_again", 3);
    const pipeline = shopPipeline(source, shards);
    const stages = pipeline.stages.filter(({ type }) => type !== "verify");
    const journal = async (): Promise<unknown> => {
      const shard = await cluster.connect(shards[0]!.database);
      const { rows } = await shard.query("SELECT id, slots, finished_stages, started_at FROM reshard.migration");
      const slots = await client.query("SELECT slot_name, temporary FROM pg_replication_slots WHERE database = current_database()");
      await shard.end();
      return [rows, slots.rows];
    };
    const first = await runToEnd({ ...pipeline, stages });
    expect(eventsOf(first.events, "caught-up")).toHaveLength(1);
    const begun = await journal();
    expect(begun).toMatchObject([[{ finished_stages: ["schema_sync:pre", "copy", "schema_sync:post"] }], [{ temporary: false }]]);

    for (let round = 1; round <= 3; round++) {
      await client.query(`UPDATE users SET name = 'round ${round}'; INSERT INTO tags (name) VALUES ('round ${round}'); DELETE FROM cart_items WHERE user_id % 5 = ${round}`);
      const run = await runToEnd({ ...pipeline, stages });
      expect(eventsOf(run.events, "stage-finished").map(({ stage, skipped }) => [stage, skipped])).toEqual([["schema_sync:pre", true], ["copy", true], ["schema_sync:post", true], ["replicate", undefined]]);
      for (const type of ["table-progress", "table-copied", "schema-statement"] as const) expect(eventsOf(run.events, type)).toEqual([]);
      expect(eventsOf(run.events, "caught-up")).toHaveLength(1);
      expect(await differences(source, shards, shopPlacements)).toEqual([]);
      expect(await journal()).toEqual(begun);
    }
    // With nothing to do it ends just the same.
    expect(eventsOf((await runToEnd({ ...pipeline, stages })).events, "caught-up")).toHaveLength(1);
    expect((await runToEnd(pipeline)).sound).toBe(true);
  });
});

import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Pipeline } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { newShop } from "../demo/shop.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { eventsOf, type Place, type Run, runToEnd } from "../support/pipeline.js";
import { newShards, shopPipeline, shopPlacements } from "../support/shop.js";

let origin: Cluster;
let destination: Cluster;

beforeAll(async () => {
  [origin, destination] = await Promise.all([startTestCluster(), startTestCluster()]);
});

async function query(cluster: Cluster, text: string, database?: string): Promise<pg.QueryResult> {
  const client = await cluster.connect(database);
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

/** Ends sessions of ours as an administrator would; returns how many. */
async function terminate(cluster: Cluster, like: string): Promise<number> {
  return (await query(cluster, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '${like}'`)).rowCount!;
}

/** Until one of our sessions for this purpose waits for a lock on the shards' server. */
async function untilBlocked(purpose: "copy" | "apply"): Promise<void> {
  const waiting = `SELECT FROM pg_stat_activity WHERE application_name LIKE 'pg-reshard % ${purpose}%' AND wait_event_type = 'Lock'`;
  await expect.poll(async () => (await query(destination, waiting)).rowCount, { timeout: 30_000 }).toBeGreaterThan(0);
}

interface Scene {
  readonly source: Place;
  readonly shards: readonly Place[];
  readonly pipeline: Pipeline;
}

async function newScene(name: string): Promise<Scene> {
  const source = { cluster: origin, database: name };
  await (await newShop(origin, name, 2000)).end();
  const shards = await newShards(destination, name, 2);
  return { source, shards, pipeline: shopPipeline(source, shards) };
}

/** Changes of all kinds in many transactions, one after the other. */
async function write({ source }: Scene): Promise<void> {
  const client = await origin.connect(source.database);
  for (let round = 1; round <= 10; round++) {
    await client.query(`UPDATE users SET name = name || ' ${round}' WHERE id % 10 = ${round % 10}`);
    await client.query(`UPDATE documents SET user_id = (SELECT id FROM users ORDER BY id OFFSET ${round} LIMIT 1) WHERE id % 3 = ${round % 3}`);
    await client.query(`DELETE FROM cart_items WHERE user_id = ${round}; INSERT INTO tags (name) VALUES (gen_random_uuid())`);
  }
  await client.end();
}

/**
 * Runs the pipeline with a table of one shard locked as the stage begins, so that the disturbance comes right when the
 * stage's sessions are in the middle of their work.
 */
async function disturbed(scene: Scene, stage: "copy" | "replicate", disturb: () => Promise<void>): Promise<Run> {
  const table = stage === "copy" ? "orders" : "users";
  let disturbance: Promise<void> | undefined;
  const run = await runToEnd(scene.pipeline, {
    beforeStage: async ({ type }) => {
      if (type === "copy") await write(scene);
      if (type !== stage) return;
      const blocker = await destination.connect(scene.shards[1]!.database);
      await blocker.query(`BEGIN; LOCK TABLE ${table}`);
      disturbance = (async () => {
        await untilBlocked(stage === "copy" ? "copy" : "apply");
        await disturb();
        // After a restart it is gone, and its lock too.
        await blocker.query("COMMIT").catch(() => undefined);
        await blocker.end().catch(() => undefined);
      })();
      // Where the run fails too, that failure tells more.
      disturbance.catch(() => undefined);
      if (stage === "replicate") await write(scene);
    },
  });
  await disturbance;
  expect(run.sound).toBe(true);
  expect(await differences(scene.source, scene.shards, shopPlacements)).toEqual([]);
  return run;
}

const retries = (events: readonly PipelineEvent[]): string[] => eventsOf(events, "retry").map(({ what }) => what);

describe("a server of the shards that is restarted", () => {
  it("while tables are copied: they are copied again, and only those", async () => {
    const run = await disturbed(await newScene("copy_restart"), "copy", () => destination.restart());
    expect(retries(run.events)).toContain("copy of orders");
    const copied = eventsOf(run.events, "table-copied").map(({ table }) => table);
    expect(new Set(copied).size).toBe(shopPlacements.length);
    expect(copied).toHaveLength(shopPlacements.length);
  });

  it("while changes are streamed: the stream goes on", async () => {
    const run = await disturbed(await newScene("stream_restart"), "replicate", () => destination.restart());
    expect(retries(run.events)).toContain("replication");
  });
});

describe("sessions on the shards that are terminated", () => {
  it("while tables are copied", async () => {
    const run = await disturbed(await newScene("copy_terminate"), "copy", async () => {
      expect(await terminate(destination, "pg-reshard%")).toBeGreaterThan(0);
    });
    expect(retries(run.events)).toContain("copy of orders");
  });

  it("while changes are streamed", async () => {
    const run = await disturbed(await newScene("stream_terminate"), "replicate", async () => {
      expect(await terminate(destination, "pg-reshard%")).toBeGreaterThan(0);
    });
    expect(retries(run.events)).toContain("replication");
  });

  it("at every turn, whatever they do", async () => {
    const scene = await newScene("terminate_often");
    const strikes: Promise<number>[] = [];
    const strike = ({ type }: PipelineEvent): void => {
      if (strikes.length < 15 && ["stage-started", "table-copied", "table-key-built", "stream-progress", "verify-started", "table-verified"].includes(type)) strikes.push(terminate(destination, "pg-reshard%"));
    };
    let runs = 0;
    for (let over = false; !over; runs++) {
      // Where a session has only just begun nothing is tried again: the run says what happened and can be run again.
      over = await runToEnd(scene.pipeline, {
        report: strike,
        beforeStage: async ({ type }) => {
          if (type === "replicate") await write(scene);
        },
      }).then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ name: "ReshardError", kind: "retry" });
          return false;
        },
      );
    }
    expect((await Promise.all(strikes)).filter((ended) => ended > 0).length).toBeGreaterThan(5);
    expect(strikes).toHaveLength(15);
    expect(runs).toBeLessThanOrEqual(16);
    expect((await runToEnd(scene.pipeline)).sound).toBe(true);
    expect(await differences(scene.source, scene.shards, shopPlacements)).toEqual([]);
  });
});

describe("the source", () => {
  it("restarted while tables are copied", async () => {
    const run = await disturbed(await newScene("source_copy_restart"), "copy", () => origin.restart());
    expect(new Set(eventsOf(run.events, "table-copied").map(({ table }) => table)).size).toBe(shopPlacements.length);
  });

  it("restarted while changes are streamed", async () => {
    const run = await disturbed(await newScene("source_stream_restart"), "replicate", () => origin.restart());
    expect(retries(run.events)).toContain("replication");
  });

  it("that ends all sessions while changes are streamed", async () => {
    const run = await disturbed(await newScene("source_terminate"), "replicate", async () => {
      expect(await terminate(origin, "pg-reshard%")).toBeGreaterThan(0);
    });
    expect(retries(run.events)).toContain("replication");
  });
});

describe("a shard that stays away", () => {
  it("ends the run after as many attempts as were allowed, and the next one goes on", async () => {
    const scene = await newScene("away");
    const stages = scene.pipeline.stages.filter(({ type }) => type === "schema_sync" || type === "copy");
    await runToEnd({ ...scene.pipeline, stages });
    await write(scene);
    const barred = scene.shards[1]!.database;
    await query(destination, `ALTER DATABASE ${barred} WITH ALLOW_CONNECTIONS false`);
    const impatient = { ...scene.pipeline, general: { ...scene.pipeline.general, reshardingReplicationRetryMaxAttempts: 3 } };
    const events: PipelineEvent[] = [];
    const failure = await runToEnd(impatient, { report: (event) => { events.push(event); } }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: "ReshardError", code: "SERVER_UNREACHABLE" });
    await query(destination, `ALTER DATABASE ${barred} WITH ALLOW_CONNECTIONS true`);
    expect((await runToEnd(impatient)).sound).toBe(true);
    expect(await differences(scene.source, scene.shards, shopPlacements)).toEqual([]);
  });
});

import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { Pipeline } from "../../src/config/types.js";
import { cutOver, type CutoverResult, settleCutover } from "../../src/pipelines/cutover.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { openMigration } from "../../src/pipelines/migration.js";
import { reversePipeline } from "../../src/pipelines/reverse-pipeline.js";
import { rollBack } from "../../src/pipelines/roll-back.js";
import { startTestCluster } from "../support/cluster.js";
import { type App, APP_TABLES, AppWriters, makeApp, wrongEntries } from "../support/cutover-app.js";
import { differences } from "../support/oracle.js";
import { runToEnd } from "../support/pipeline.js";
import { servers } from "../support/servers.js";

const never = new AbortController().signal;

describe.each(servers)("a cutover, on $version", ({ version, options }) => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startTestCluster({ ...options, settings: { max_connections: "200", max_replication_slots: "60", max_wal_senders: "60" } });
  });

  const caughtUp = async (pipeline: Pipeline): Promise<void> => {
    await runToEnd({ ...pipeline, stages: [{ type: "replicate", until: "caught-up" }] });
  };
  const slots = async (): Promise<string[]> => {
    const client = await cluster.connect();
    const { rows } = await client.query<{ name: string }>("SELECT database || ' ' || slot_name AS name FROM pg_replication_slots ORDER BY 1");
    await client.end();
    return rows.map(({ name }) => name);
  };

  async function forward(app: App, report: (event: PipelineEvent) => void = () => undefined, signal = never): Promise<CutoverResult> {
    const migration = await openMigration({ pipeline: app.pipeline, report, signal });
    try {
      return await cutOver({ migration, traffic: app.gate.trafficOf(app.pipeline) });
    } finally {
      await migration.close();
    }
  }

  it.each([version === 18 ? [2, 3] : [1, 2]])("from %i to %i shards under writers, back, and forward again", async (from, to) => {
    const app = await makeApp(cluster, `there_${from}_${to}`, { from, to });
    expect((await runToEnd(app.pipeline)).sound).toBe(true);
    const writers = await AppWriters.start(app);
    const told: PipelineEvent[] = [];
    try {
      await writers.more(100);
      for (const direction of ["forward", "back", "forward"] as const) {
        const result = direction === "forward" ? await forward(app, (event) => told.push(event)) : await rollBack({ pipeline: app.pipeline, trafficOf: app.gate.trafficOf, report: (event) => told.push(event), signal: never });
        expect(result?.paused).toBeGreaterThan(0);
        const side = direction === "forward" ? "destination" : "source";
        expect(app.gate.inCharge).toBe(direction === "forward" ? app.pipeline.to.name : app.pipeline.from.name);
        expect(await settleCutover({ pipeline: app.pipeline, trafficOf: app.gate.trafficOf, report: () => undefined, signal: never })).toEqual({ inCharge: side });
        expect((await slots()).filter((name) => name.startsWith(`there_${from}_${to}_${side === "source" ? "new" : "old"}`))).toEqual([]);
        await writers.more(100);
        await caughtUp(direction === "forward" ? reversePipeline(app.pipeline) : app.pipeline);
        await writers.more(20);
      }
    } finally {
      await writers.stop();
    }
    expect(await wrongEntries(app.shards, writers.acknowledged)).toEqual([]);
    await caughtUp(reversePipeline(app.pipeline));
    expect(await wrongEntries(app.source, writers.acknowledged)).toEqual([]);
    expect(await differences(app.source, app.shards, APP_TABLES)).toEqual([]);
    expect(writers.longestWait).toBeGreaterThan(0);
  });
});

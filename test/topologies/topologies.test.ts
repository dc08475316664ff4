import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Pipeline } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { ValueFormat } from "../../src/postgres/value-format.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { addressOf, makePipeline, type Place, runToEnd } from "../support/pipeline.js";
import { SHARDED_PLACEMENTS, SHARDED_RULES, SHARDED_SCHEMA, ShardedWriter } from "../support/sharded-writer.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster({ settings: { max_connections: "300", max_replication_slots: "60", max_wal_senders: "60" } });
});

interface Scene {
  readonly sources: readonly Place[];
  readonly shards: readonly Place[];
  readonly pipeline: Pipeline;
}

async function newScene(name: string, from: number, to: number, format: ValueFormat): Promise<Scene> {
  const places = async (prefix: string, count: number): Promise<Place[]> =>
    await Promise.all(Array.from({ length: count }, async (_, number) => {
      const database = `${prefix}_${name}_${number}`;
      await cluster.createDatabase(database);
      return { cluster, database };
    }));
  const sources = await places("source", from);
  const shards = await places("shard", to);
  for (const { database } of sources) {
    const client = await cluster.connect(database);
    await client.query(SHARDED_SCHEMA);
    await client.end();
  }
  const pipeline = makePipeline({ from: sources.map((place) => addressOf(place)), fromSharding: SHARDED_RULES, to: shards.map((place) => addressOf(place)), publication: "p", sharding: SHARDED_RULES, general: { reshardingCopyFormat: format } });
  return { sources, shards, pipeline };
}

describe("topologies", () => {
  it.each<[number, number, ValueFormat]>([[1, 3, "binary"], [2, 1, "binary"], [2, 3, "binary"], [3, 2, "binary"], [4, 2, "binary"], [3, 2, "text"]])("%i source shards to %i in %s, while rows move between tenants", async (from, to, format) => {
    const { sources, shards, pipeline } = await newScene(`${from}_${to}_${format}`, from, to, format);
    const writer = await ShardedWriter.open(sources, from * 10 + to);
    onTestFinished(async () => { await writer.stop().catch(() => undefined); });
    await writer.load(300);
    writer.start();
    const first = await runToEnd(pipeline, { beforeStage: async ({ type }) => {
      if (type === "verify") writer.calm();
      await writer.more(60);
    } });
    expect(first.verdicts.filter(({ equal, misplaced }) => !equal || misplaced > 0)).toEqual([]);
    await writer.stop();
    const last = await runToEnd(pipeline);
    expect(last.sound).toBe(true);
    expect(await differences(sources, shards, SHARDED_PLACEMENTS)).toEqual([]);
  });
});

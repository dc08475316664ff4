import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Stage } from "../../src/config/types.js";
import { startWriters } from "../../src/demo/start-writers.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { newShop } from "../demo/shop.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { eventsOf, type Place, runToEnd } from "../support/pipeline.js";
import { newShards, shopPipeline, shopPlacements } from "../support/shop.js";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

/** Constraints by name, with whether they were checked, and indexes: what the schema phases leave on a database. */
async function structure({ cluster: server, database }: Place): Promise<unknown> {
  const client = await server.connect(database);
  const { rows } = await client.query<{ kind: string; name: string; valid: boolean }>(
    `SELECT 'constraint' AS kind, conrelid::regclass || ' ' || conname AS name, convalidated AS valid FROM pg_constraint
      WHERE connamespace::regnamespace::text IN ('public', 'crm')
     UNION ALL SELECT 'index', indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid::regclass::text !~ '^(pg_|reshard\\.)' ORDER BY 1, 2`,
  );
  await client.end();
  return rows;
}

describe.each([
  { shards: 3, rows: 20_000, transactionsPerSecond: 400 },
  { shards: 1, rows: 3_000, transactionsPerSecond: 100 },
  { shards: 5, rows: 3_000, transactionsPerSecond: 100 },
])("a shop of $rows rows that is written to, on $shards shards", ({ shards: count, rows, transactionsPerSecond }) => {
  it("verifies while writers write, and holds every row once and in its place after they stopped", async () => {
    const source = { cluster, database: `shop_to_${count}` };
    await (await newShop(cluster, source.database, rows)).end();
    const shards = await newShards(cluster, `shop_of_${count}`, count);
    const pipeline = shopPipeline(source, shards);
    const writers = await startWriters(() => cluster.connect(source.database), 4, { seed: count, transactionsPerSecond });
    onTestFinished(async () => {
      await writers.stop();
    });
    const written: number[] = [];
    // Something is written between any two stages.
    const beforeStage = async (): Promise<void> => {
      const { committed } = writers.report();
      written.push(committed);
      await writers.until((report) => report.committed >= committed + 20);
    };
    const live = await runToEnd(pipeline, { beforeStage });
    expect(live.verdicts.map(({ table }) => table).sort()).toEqual(shopPlacements.map(({ schema, name }) => (schema === "public" ? name : `${schema}.${name}`)).sort());
    expect(live.verdicts.filter((verdict) => !verdict.equal || verdict.misplaced > 0)).toEqual([]);
    expect(live.sound).toBe(true);
    expect(eventsOf(live.events, "retry")).toEqual([]);

    await writers.until(({ transactions }) => Object.values(transactions).every((done) => done > 0));
    await writers.stop();
    const names = (stages: readonly Stage[]): string[] => stages.map((stage) => (stage.type === "schema_sync" ? `schema_sync:${stage.phase}` : stage.type));
    expect(written).toHaveLength(pipeline.stages.length);
    const last = await runToEnd(pipeline);
    expect(eventsOf(last.events, "stage-finished").filter(({ skipped }) => skipped === true).map(({ stage }) => stage)).toEqual(
      names(pipeline.stages.filter(({ type }) => type === "schema_sync" || type === "copy")),
    );
    expect(last.sound).toBe(true);
    expect(await differences(source, shards, shopPlacements)).toEqual([]);
    const wanted = await structure(source);
    for (const shard of shards) expect(await structure(shard), shard.database).toEqual(wanted);
  });
});

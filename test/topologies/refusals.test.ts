import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, hashed, makePipeline, type PipelineParts, type Place, runToEnd } from "../support/pipeline.js";
import { SHARDED_RULES, SHARDED_SCHEMA } from "../support/sharded-writer.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});

/** Two source shards, the second with something more done to it, and one shard. */
async function refusal(name: string, second: string, parts: Partial<PipelineParts> = {}): Promise<unknown> {
  const places: Place[] = [];
  for (const role of ["a", "b", "to"]) {
    const database = `${name}_${role}`;
    await cluster.createDatabase(database);
    places.push({ cluster, database });
  }
  for (const [index, sql] of [SHARDED_SCHEMA, `${SHARDED_SCHEMA}${second}`].entries()) {
    const client = await cluster.connect(places[index]!.database);
    await client.query(sql);
    await client.end();
  }
  const pipeline = makePipeline({ from: places.slice(0, 2).map((place) => addressOf(place)), fromSharding: SHARDED_RULES, to: [addressOf(places[2]!)], publication: "p", sharding: SHARDED_RULES, ...parts });
  const error: unknown = await runToEnd(pipeline).then(() => undefined, (reason: unknown) => reason);
  const client = await cluster.connect(places[2]!.database);
  expect((await client.query("SELECT FROM pg_namespace WHERE nspname = 'reshard'")).rowCount).toBe(error === undefined ? 1 : 0);
  await client.end();
  return error;
}

describe("source shards are refused before anything is made", () => {
  it("whose tables differ, all differences in one message", async () => {
    const error = await refusal("differ", "CREATE TABLE more (id int PRIMARY KEY); ALTER TABLE items ADD COLUMN note text; ALTER TABLE logs DROP CONSTRAINT logs_pkey, ADD PRIMARY KEY (id, tenant)");
    expect(error).toMatchObject({ code: "SOURCE_SHARDS_DIFFER" });
    for (const what of ["items has other columns", "logs has another key", "more is published there only"]) expect((error as Error).message).toContain(what);
  });

  it("of which no rule says how they are sharded, for then all but the first shard's rows would be left behind", async () => {
    const error = await refusal("unruled", "", { fromSharding: { tables: [] } });
    expect(error).toMatchObject({ code: "SOURCE_RULE_MISSING", message: expect.stringContaining("shards items, logs, orders, but no rule says how") as string });
  });

  it("but not where tables are said to be the same on all of them", async () => {
    const error = await refusal("listed", "", { fromSharding: { tables: [], omnisharded: ["items", "logs", "orders"] }, stages: [{ type: "schema_sync", phase: "pre" }], sharding: { tables: [hashed("tenant", "bigint")] } });
    expect(error).toBeUndefined();
  });
});

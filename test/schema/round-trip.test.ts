import { describe, expect, it } from "vitest";
import { type Cluster } from "../../src/embedded/cluster.js";
import { runSchemaSync } from "../../src/pipelines/run-schema-sync.js";
import { diffSchemas, type ShardDifferences } from "../../src/pipelines/schema-diff.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, makePipeline } from "../support/pipeline.js";
import { servers } from "../support/servers.js";
import { schemaFixtureRoles, schemaFixtures } from "./fixtures.js";

async function query(cluster: Cluster, database: string, sql: string): Promise<void> {
  const client = await cluster.connect(database);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function faults(shards: readonly ShardDifferences[]): unknown[] {
  return shards.flatMap(({ differences }) => differences.filter(({ expected }) => expected === undefined).map(({ kind, name, what, source, shard }) => ({ kind, name, what, source, shard })));
}

function reasons(shards: readonly ShardDifferences[]): string[] {
  return [...new Set(shards.flatMap(({ differences }) => differences.flatMap(({ expected }) => expected ?? [])))].sort();
}

const clusters = await Promise.all(servers.map(async ({ version, options }) => ({ version, cluster: await startTestCluster(options) })));
for (const { cluster } of clusters) await query(cluster, "postgres", schemaFixtureRoles);
const signal = new AbortController().signal;
const report = (): void => undefined;
const ways = clusters.flatMap((from) => clusters.filter((to) => to.version >= from.version).map((to) => ({ from, to })));

for (const { from, to } of ways) {
  describe(`from a server ${from.version} to a server ${to.version}`, () => {
    for (const { name, sql } of schemaFixtures.filter(({ since }) => since <= from.version)) {
      it(`carries all of ${name}`, async () => {
        const source = `${name} to ${to.version}`;
        const shards = [0, 1].map((shard) => `${name} from ${from.version}, ${shard}`);
        await from.cluster.createDatabase(source);
        await query(from.cluster, source, sql);
        for (const shard of shards) await to.cluster.createDatabase(shard);
        const pipeline = makePipeline({ from: addressOf({ cluster: from.cluster, database: source }), to: shards.map((database) => addressOf({ cluster: to.cluster, database })), publication: "everything" });
        for (const phase of ["pre", "post"] as const) expect(await runSchemaSync({ pipeline, phase, report, signal })).toMatchObject({ failed: 0 });
        const differences = await diffSchemas(pipeline, report);
        expect(faults(differences)).toEqual([]);
        expect(reasons(differences)).toEqual([]);
      });
    }
  });
}

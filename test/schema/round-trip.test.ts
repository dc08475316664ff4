import { describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { dumpSchema } from "../../src/pg-dump/dump-schema.js";
import { runSchemaSync } from "../../src/pipelines/run-schema-sync.js";
import { diffSchemas, type ShardDifferences } from "../../src/pipelines/schema-diff.js";
import { planSchema } from "../../src/schema/plan-schema.js";
import { splitStatements } from "../../src/schema/split-statements.js";
import { withBigintKeys } from "../../src/schema/with-bigint-keys.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, makePipeline } from "../support/pipeline.js";
import { isTestedOn, servers } from "../support/servers.js";
import { schemaFixtureRoles, schemaFixtures } from "./fixtures.js";

/** Schemas that are carried to shards and compared there with their source: all that may differ is named here. */

const UNVALIDATED = "validated once the shard has caught up";
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  "integer-keys": ["integer keys become bigint", UNVALIDATED],
  partitions: [UNVALIDATED],
  quoting: [UNVALIDATED],
  relations: ["materialized views are refreshed", UNVALIDATED],
  "everything-else": ["foreign servers are not carried", "subscriptions are not carried: a shard must not subscribe by itself"],
};
/** Between versions. */
const EXPECTED_BETWEEN: Readonly<Record<string, readonly string[]>> = {
  partitions: ["partitions have their table's identity since PostgreSQL 17"],
  "everything-else": ["a shard has its server's version of an extension"],
};

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
/** To a server of the same version, and from the oldest to the newest. */
const ways = clusters.flatMap((from) => clusters.filter((to) => to.version >= from.version).map((to) => ({ from, to, again: from.version === 18 })));

for (const { from, to, again } of ways) {
  // From the oldest to itself: what it does differently shows on the way to the newest.
  describe.runIf(isTestedOn(to.version))(`from a server ${from.version} to a server ${to.version}`, () => {
    for (const { name, sql } of schemaFixtures.filter(({ since }) => since <= from.version)) {
      it(`carries all of ${name}${again ? ", and takes it for its own a second time" : ""}`, async () => {
        const source = `${name} to ${to.version}`;
        const shard = `${name} from ${from.version}`;
        await from.cluster.createDatabase(source);
        await query(from.cluster, source, sql);
        await to.cluster.createDatabase(shard);
        const pipeline = makePipeline({ from: addressOf({ cluster: from.cluster, database: source }), to: [addressOf({ cluster: to.cluster, database: shard })], publication: "everything" });
        for (const phase of ["pre", "post"] as const) expect(await runSchemaSync({ pipeline, phase, report, signal })).toMatchObject({ failed: 0 });
        const differences = await diffSchemas(pipeline, report);
        expect(faults(differences)).toEqual([]);
        const expected = [...(EXPECTED[name] ?? []), ...(from.version === to.version ? [] : (EXPECTED_BETWEEN[name] ?? []))].sort();
        expect(reasons(differences)).toEqual(expected);
        if (!again) return;
        // Nothing that is there is taken for something else.
        await runSchemaSync({ pipeline, phase: "pre", report, signal });
        const after = await diffSchemas(pipeline, report);
        expect([faults(after), reasons(after)]).toEqual([[], expected]);
      });
    }
  });
}

describe("the plan of a real dump", () => {
  it("holds every statement exactly once, in one phase", async () => {
    const { cluster } = clusters[0]!;
    for (const { name, sql } of schemaFixtures) {
      await cluster.createDatabase(name);
      await query(cluster, name, sql);
      const dump = (await dumpSchema({ server: addressOf({ cluster, database: name }) })).sql;
      const written = splitStatements(dump).map((statement) => statement.sql);
      const plan = await planSchema(dump);
      for (const { statements } of [plan, withBigintKeys(plan).plan]) {
        const dumped = statements.filter(({ original }) => original !== undefined).sort((a, b) => a.position - b.position);
        expect(dumped.map(({ original }) => original)).toEqual(written);
        expect(statements.filter(({ kind }) => kind === "unknown")).toEqual([]);
      }
    }
  });
});

describe("a schema of many tables", () => {
  it("is carried and compared: 1,000 tables, 5,000 indexes", async () => {
    const { cluster } = clusters[0]!;
    for (const database of ["many", "many there"]) await cluster.createDatabase(database);
    await query(cluster, "many", `DO $$ BEGIN FOR t IN 0 .. 999 LOOP
      EXECUTE format('CREATE TABLE t%1$s (id bigint PRIMARY KEY, a text, b text, c integer, d integer%2$s); CREATE INDEX ON t%1$s (a); CREATE INDEX ON t%1$s (b); CREATE INDEX ON t%1$s (c); CREATE INDEX ON t%1$s (d, c)',
        t, CASE WHEN t > 0 THEN format(', before bigint REFERENCES t%s', t - 1) END);
      IF t % 100 = 99 THEN COMMIT; END IF;
    END LOOP; END $$`);
    await query(cluster, "many", "CREATE PUBLICATION everything FOR ALL TABLES");
    const pipeline = makePipeline({ from: addressOf({ cluster, database: "many" }), to: [addressOf({ cluster, database: "many there" })], publication: "everything" });
    const started = Date.now();
    for (const phase of ["pre", "post"] as const) await runSchemaSync({ pipeline, phase, report, signal });
    process.stdout.write(`1,000 tables with 5,000 indexes and 999 foreign keys: ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
    const [differences] = await diffSchemas(pipeline, report);
    expect(faults([differences!])).toEqual([]);
    expect(differences!.objects).toBeGreaterThan(1000 + 5000 + 5000);
  });
});

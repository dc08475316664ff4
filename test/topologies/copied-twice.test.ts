import { expect, it } from "vitest";
import { runSchemaSync } from "../../src/pipelines/run-schema-sync.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { addressOf, makePipeline, rowStages, runToEnd } from "../support/pipeline.js";
import { SHARDED_PLACEMENTS, SHARDED_RULES, SHARDED_SCHEMA } from "../support/sharded-writer.js";

/** A source shard's slots wait for transactions of its whole server, so the shard is on another one. */
const cluster = await startTestCluster();
const elsewhere = await startTestCluster();

it.each(["run", "schema-sync"])("a row in the snapshots of two source shards stays once, as the shard has it that has it now; keys made by %s", async (maker) => {
  const name = `twice_${maker === "run" ? "after" : "before"}`;
  const [a, b] = [{ cluster, database: `${name}_a` }, { cluster, database: `${name}_b` }];
  const to = { cluster: elsewhere, database: name };
  for (const { cluster: server, database } of [a, b, to]) await server.createDatabase(database);
  const [onA, onB, shard] = [await cluster.connect(a.database), await cluster.connect(b.database), await elsewhere.connect(to.database)];
  // The larger table is copied first: the items of one source shard, the orders of the other.
  await onA.query(`${SHARDED_SCHEMA} INSERT INTO items SELECT n, 1, 'first', repeat('x', 5000) FROM generate_series(1, 20) AS n`);
  await onB.query(`${SHARDED_SCHEMA} INSERT INTO orders SELECT 3, n, repeat('x', 500) FROM generate_series(1, 1000) AS n`);
  const pipeline = makePipeline({ from: [addressOf(a), addressOf(b)], fromSharding: SHARDED_RULES, to: [addressOf(to)], publication: "p", sharding: SHARDED_RULES, general: { reshardingParallelCopies: 1 } });
  // By the command on its own, primary keys stand before there are rows.
  if (maker === "schema-sync") await runSchemaSync({ pipeline, phase: "pre", report: () => undefined, signal: new AbortController().signal });
  let moved: Promise<void> | undefined;
  const move = async (): Promise<void> => {
    await onA.query("DELETE FROM items WHERE id <= 2");
    await onB.query("INSERT INTO items SELECT id, 3, 'moved', repeat('y', 5000) FROM generate_series(1, 2) AS id");
    await shard.query("COMMIT");
  };
  const keys: PipelineEvent[] = [];
  const run = runToEnd(maker === "run" ? pipeline : { ...pipeline, stages: rowStages }, {
    report(event) {
      // No copy has a snapshot yet.
      if (event.type === "copy-started") void shard.query("BEGIN; LOCK TABLE orders");
      if (event.type === "table-copied" && event.table === "items" && event.sourceShard === 0) moved = move();
      if (event.type === "table-copied" && event.table === "items" && event.sourceShard === 1) keys.push(event);
    },
  });
  expect((await run).sound).toBe(true);
  await moved;
  // Both copies had them, so that there was something to remove.
  expect(keys).toMatchObject([{ rows: 2 }]);
  expect((await shard.query("SELECT FROM pg_constraint WHERE contype = 'p' AND conrelid IN ('items'::regclass, 'orders'::regclass)")).rowCount).toBe(2);
  expect(await differences([a, b], [to], SHARDED_PLACEMENTS)).toEqual([]);
  expect((await shard.query("SELECT DISTINCT doc FROM items WHERE id <= 2")).rows).toEqual([{ doc: "moved" }]);
  await Promise.all([onA, onB, shard].map((client) => client.end()));
});

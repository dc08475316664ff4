import { expect, it } from "vitest";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { addressOf, makePipeline, runToEnd } from "../support/pipeline.js";
import { SHARDED_PLACEMENTS, SHARDED_RULES, SHARDED_SCHEMA } from "../support/sharded-writer.js";

/** A source shard's slots wait for transactions of its whole server, so the shard is on another one. */
const cluster = await startTestCluster();
const elsewhere = await startTestCluster();

it("a row in the snapshots of two source shards stays once, as the shard has it that has it now", async () => {
  const [a, b] = [{ cluster, database: "twice_a" }, { cluster, database: "twice_b" }];
  const to = { cluster: elsewhere, database: "twice" };
  for (const { cluster: server, database } of [a, b, to]) await server.createDatabase(database);
  const [onA, onB, shard] = [await cluster.connect(a.database), await cluster.connect(b.database), await elsewhere.connect(to.database)];
  // The larger table is copied first: the items of one source shard, the orders of the other.
  await onA.query(`${SHARDED_SCHEMA} INSERT INTO items SELECT n, 1, 'first', repeat('x', 5000) FROM generate_series(1, 20) AS n`);
  await onB.query(`${SHARDED_SCHEMA} INSERT INTO orders SELECT 3, n, repeat('x', 500) FROM generate_series(1, 1000) AS n`);
  const pipeline = makePipeline({ from: [addressOf(a), addressOf(b)], fromSharding: SHARDED_RULES, to: [addressOf(to)], publication: "p", sharding: SHARDED_RULES, general: { reshardingParallelCopies: 1 } });
  let moved: Promise<void> | undefined;
  const move = async (): Promise<void> => {
    await onA.query("DELETE FROM items WHERE id <= 2");
    await onB.query("INSERT INTO items SELECT id, 3, 'moved', repeat('y', 5000) FROM generate_series(1, 2) AS id");
    await shard.query("COMMIT");
  };
  const keys: PipelineEvent[] = [];
  const run = runToEnd(pipeline, {
    async beforeStage({ type }) {
      if (type === "copy") await shard.query("BEGIN; LOCK TABLE orders");
    },
    report(event) {
      if (event.type === "table-copied" && event.table === "items" && event.sourceShard === 0) moved = move();
      if (event.type === "table-copied" && event.table === "items" && event.sourceShard === 1) keys.push(event);
    },
  });
  expect((await run).sound).toBe(true);
  await moved;
  // Both copies had them, so that there was something to remove.
  expect(keys).toMatchObject([{ rows: 2 }]);
  expect(await differences([a, b], [to], SHARDED_PLACEMENTS)).toEqual([]);
  expect((await shard.query("SELECT DISTINCT doc FROM items WHERE id <= 2")).rows).toEqual([{ doc: "moved" }]);
  await Promise.all([onA, onB, shard].map((client) => client.end()));
});

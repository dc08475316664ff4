import { beforeAll, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { keyRouter } from "../../src/sharding/key-router.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { addressOf, hashed, makePipeline, type Place, runToEnd } from "../support/pipeline.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});

/** Stored outside the row, so that an update that leaves it as it is does not send it. */
const FILLER = "x".repeat(5000);

/** Such a sharding key of a source shard, of two. */
function ownerOn(shard: number): string {
  const route = keyRouter({ dataType: "varchar", hasher: "postgres", mapping: [] }, 2);
  for (let number = 0; ; number++) {
    const owner = `${number}${FILLER}`;
    if (route(Buffer.from(owner), 0, owner.length) === shard) return owner;
  }
}

it("changes rows of several source shards whose large sharding key is left as it is, where they are and nowhere else", async () => {
  const places = async (role: string): Promise<Place[]> =>
    await Promise.all([0, 1].map(async (number) => {
      await cluster.createDatabase(`${role}_${number}`);
      return { cluster, database: `${role}_${number}` };
    }));
  const [from, to] = [await places("from"), await places("to")];
  const sources = await Promise.all(from.map(({ database }) => cluster.connect(database)));
  for (const [number, source] of sources.entries()) {
    await source.query("CREATE TABLE docs (id bigint PRIMARY KEY, owner text, title text, body text); ALTER TABLE docs ALTER owner SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL; CREATE PUBLICATION p FOR TABLE docs");
    await source.query("INSERT INTO docs SELECT id, $1, 'first', $2 FROM generate_series($3::int, $3 + 9) AS id", [ownerOn(number), FILLER, 100 * number]);
  }
  const sharding = { tables: [hashed("owner", "varchar")] };
  const pipeline = makePipeline({ from: from.map((place) => addressOf(place)), fromSharding: sharding, to: to.map((place) => addressOf(place)), publication: "p", sharding });
  await runToEnd(pipeline);
  for (const source of sources) {
    await source.query("UPDATE docs SET title = 'second' WHERE id % 100 < 5");
    await source.query("UPDATE docs SET id = id + 50 WHERE id % 100 = 7");
    await source.query("UPDATE docs SET id = id + 50, title = 'moved' WHERE id % 100 = 8");
  }
  const last = await runToEnd(pipeline);
  expect(await differences(from, to, [{ schema: "public", name: "docs", placement: { kind: "hash", column: "owner", type: "text" } }])).toEqual([]);
  expect(last.sound).toBe(true);
  await Promise.all(sources.map((source) => source.end()));
});

import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type pg from "pg";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { addressOf, makePipeline, type Place, runToEnd } from "../support/pipeline.js";
import { SHARDED_PLACEMENTS, SHARDED_RULES, SHARDED_SCHEMA } from "../support/sharded-writer.js";

/*
 * A commit that waits for a synchronous standby is in the WAL, so that the slot sends it, but no session sees it yet
 * (RecordTransactionCommit and CommitTransaction, access/transam/xact.c).
 */

let cluster: Cluster;
let destination: Cluster;
beforeAll(async () => {
  [cluster, destination] = await Promise.all([startTestCluster(), startTestCluster()]);
});

const LARGE = "x".repeat(5000);

interface Play {
  readonly sources: readonly pg.Client[];
  /** Commits this on a source shard, and lets sessions see it once the stream has met it. */
  readonly commitsUnseen: (source: number, sql: string) => Promise<void>;
}

/** The source's shards stream to the destination's while `play` goes on; then all is compared. */
async function whileStreaming(name: string, shards: { readonly sources: number; readonly destinations: number }, prepare: readonly string[], play: (play: Play) => Promise<void>): Promise<void> {
  const make = async (server: Cluster, role: string, count: number): Promise<Place[]> => {
    const places = Array.from({ length: count }, (_, shard): Place => ({ cluster: server, database: `${name}_${role}${shard}` }));
    for (const { database } of places) await server.createDatabase(database);
    return places;
  };
  const [from, to] = [await make(cluster, "from", shards.sources), await make(destination, "to", shards.destinations)];
  const sources = await Promise.all(from.map(({ database }) => cluster.connect(database)));
  const admin = await cluster.connect();
  for (const [source, client] of sources.entries()) await client.query(`${SHARDED_SCHEMA} ${prepare[source]}`);
  const pipeline = makePipeline({ from: from.map((place) => addressOf(place)), fromSharding: SHARDED_RULES, to: to.map((place) => addressOf(place)), publication: "p", sharding: SHARDED_RULES });
  await runToEnd(pipeline);
  const stop = new AbortController();
  onTestFinished(() => { stop.abort(); });
  const standby = async (names: string): Promise<void> => {
    await admin.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
    await admin.query("SELECT pg_reload_conf()");
  };
  const streaming = runToEnd({ ...pipeline, stages: [{ type: "replicate", until: "stopped" }] }, { signal: stop.signal });
  await play({
    sources,
    async commitsUnseen(source, sql) {
      await standby("nobody");
      const shown = async (): Promise<unknown> => (await sources[source]!.query("SHOW synchronous_standby_names")).rows[0];
      await expect.poll(shown).toEqual({ synchronous_standby_names: "nobody" });
      const committed = sources[source]!.query(sql);
      // Whether it looks around or waits until it may, it does so in a session that it has for nothing else.
      const looks = async (): Promise<number | null> =>
        (await admin.query("SELECT FROM pg_stat_activity WHERE datname = $1 AND application_name ~ ' (lookup|whereabouts)$' AND state = 'idle' AND query ~ '^SELECT'", [from[source]!.database])).rowCount;
      await expect.poll(looks, { timeout: 20_000, interval: 20 }).toBeGreaterThan(0);
      await standby("");
      await committed;
    },
  });
  stop.abort();
  await streaming;
  const last = await runToEnd(pipeline);
  expect(await differences(from, to, SHARDED_PLACEMENTS)).toEqual([]);
  expect(last.sound).toBe(true);
  await Promise.all([admin, ...sources].map((client) => client.end()));
}

describe("a commit that the slot tells of before sessions see it", () => {
  it("brings a row that moves to another shard under another key, its large values with it", async () => {
    await whileStreaming("renamed", { sources: 1, destinations: 2 }, ["INSERT INTO items VALUES (1, 1, 'first', $1)".replace("$1", `'${LARGE}'`)], async ({ commitsUnseen }) => {
      await commitsUnseen(0, "UPDATE items SET id = 9, tenant = 3");
    });
  });

  it("brings a row that is put in on one source shard before it is removed from another", async () => {
    await whileStreaming("put", { sources: 2, destinations: 1 }, ["INSERT INTO items VALUES (1, 1, 'first', 'x')", ""], async ({ sources, commitsUnseen }) => {
      await commitsUnseen(1, "INSERT INTO items VALUES (1, 3, 'moved', 'x')");
      await sources[0]!.query("DELETE FROM items");
    });
  });
});

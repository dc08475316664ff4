import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type pg from "pg";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { startTestCluster } from "../support/cluster.js";
import { differences } from "../support/oracle.js";
import { addressOf, eventsOf, makePipeline, type Place, runToEnd } from "../support/pipeline.js";
import { SHARDED_PLACEMENTS, SHARDED_RULES, SHARDED_SCHEMA } from "../support/sharded-writer.js";

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});

/** Tenants by the source shard, of two, that has them. */
const TENANTS = [[1, 2], [3, 4]] as const;
const LARGE = "x".repeat(5000);

interface Move {
  readonly sources: readonly [pg.Client, pg.Client];
  readonly shard: pg.Client;
  readonly events: readonly PipelineEvent[];
  /** Nothing of a source shard's changes comes any more, until `resume`. */
  readonly pause: (source: 0 | 1) => Promise<void>;
  readonly resume: (source: 0 | 1) => void;
  /** Waits until the items on the shard are these: id, tenant and doc. */
  readonly shows: (...items: readonly (readonly [number, number, string])[]) => Promise<void>;
}

/** Two source shards stream into one shard while `work` goes on; then all is brought to an end and compared. */
async function whileStreaming(name: string, work: (move: Move) => Promise<void>): Promise<void> {
  const places: Place[] = [];
  for (const role of ["a", "b", "to"]) {
    const database = `${name}_${role}`;
    await cluster.createDatabase(database);
    places.push({ cluster, database });
  }
  const clients = await Promise.all(places.map(({ database }) => cluster.connect(database)));
  const [a, b, shard] = [clients[0]!, clients[1]!, clients[2]!];
  for (const source of [a, b]) await source.query(SHARDED_SCHEMA);
  await a.query("INSERT INTO items VALUES (1, $1, 'first', $2)", [TENANTS[0][0], LARGE]);
  const pipeline = makePipeline({ from: places.slice(0, 2).map((place) => addressOf(place)), fromSharding: SHARDED_RULES, to: [addressOf(places[2]!)], publication: "p", sharding: SHARDED_RULES });
  await runToEnd(pipeline);
  const stop = new AbortController();
  const events: PipelineEvent[] = [];
  const paused = new Map<number, number>();
  const resume = (source: number): void => {
    const pid = paused.get(source);
    if (pid !== undefined) process.kill(pid, "SIGCONT");
    paused.delete(source);
  };
  onTestFinished(() => {
    for (const source of paused.keys()) resume(source);
    stop.abort();
  });
  const streaming = runToEnd({ ...pipeline, stages: [{ type: "replicate", until: "stopped" }] }, { signal: stop.signal, report: (event) => { events.push(event); } });
  const walSender = async (source: number): Promise<number | undefined> => {
    const { rows } = await clients[source]!.query<{ pid: number }>("SELECT active_pid AS pid FROM pg_replication_slots WHERE database = current_database() AND NOT temporary AND active");
    return rows[0]?.pid;
  };
  await work({
    sources: [a, b],
    shard,
    events,
    async pause(source) {
      let pid: number | undefined;
      await expect.poll(async () => (pid = await walSender(source)), { timeout: 20_000 }).toBeDefined();
      process.kill(pid!, "SIGSTOP");
      paused.set(source, pid!);
    },
    resume,
    async shows(...items) {
      const found = async (): Promise<unknown> => (await shard.query({ text: "SELECT id::int4, tenant::int4, doc FROM items ORDER BY id", rowMode: "array" })).rows;
      await expect.poll(found, { timeout: 20_000, interval: 20 }).toEqual(items);
    },
  });
  for (const source of [0, 1]) resume(source);
  stop.abort();
  await streaming;
  const last = await runToEnd(pipeline);
  expect(last.sound).toBe(true);
  expect(await differences(places.slice(0, 2), places.slice(2), SHARDED_PLACEMENTS)).toEqual([]);
  await Promise.all(clients.map((client) => client.end()));
}

describe("a row that moves between source shards, both to one shard", () => {
  it("stays where the shard it left lags, with its changes and its deletion", async () => {
    await whileStreaming("left_lags", async ({ sources: [a, b], pause, resume, shows }) => {
      await pause(0);
      await a.query("UPDATE items SET doc = 'late'");
      await a.query("UPDATE items SET tenant = $1, doc = 'late too'", [TENANTS[0][1]]);
      await a.query("DELETE FROM items");
      await b.query("INSERT INTO items VALUES (1, $1, 'moved', $2)", [TENANTS[1][0], LARGE]);
      await shows([1, TENANTS[1][0], "moved"]);
      await b.query("UPDATE items SET doc = 'there'");
      await shows([1, TENANTS[1][0], "there"]);
      resume(0);
      // Comes behind all that was late.
      await a.query("INSERT INTO items VALUES (2, $1, 'after', 'big')", [TENANTS[0][0]]);
      await shows([1, TENANTS[1][0], "there"], [2, TENANTS[0][0], "after"]);
    });
  });

  it("comes where the shard it goes to lags, also back and forth, with large values left as they are", async () => {
    await whileStreaming("right_lags", async ({ sources: [a, b], pause, resume, shows }) => {
      await pause(1);
      await a.query("DELETE FROM items");
      await b.query("INSERT INTO items VALUES (1, $1, 'moved', $2)", [TENANTS[1][0], LARGE]);
      await b.query("UPDATE items SET doc = 'changed'");
      await b.query("DELETE FROM items");
      await a.query("INSERT INTO items VALUES (1, $1, 'back', $2)", [TENANTS[0][1], LARGE]);
      await shows([1, TENANTS[0][1], "back"]);
      await a.query("DELETE FROM items");
      await b.query("INSERT INTO items VALUES (1, $1, 'again', $2)", [TENANTS[1][1], LARGE]);
      await b.query("UPDATE items SET doc = 'and changed'");
      await shows();
      resume(1);
      await shows([1, TENANTS[1][1], "and changed"]);
    });
  });

  it("is waited for while both shards have it, and taken once the one has let it go", async () => {
    await whileStreaming("both", async ({ sources: [a, b], events, shows }) => {
      await b.query("INSERT INTO items VALUES (1, $1, 'moved', $2)", [TENANTS[1][0], LARGE]);
      await expect.poll(() => eventsOf(events, "retry").filter(({ reason }) => reason.includes("two shards of the source")).length, { timeout: 20_000 }).toBeGreaterThan(1);
      await shows([1, TENANTS[0][0], "first"]);
      await a.query("DELETE FROM items");
      await shows([1, TENANTS[1][0], "moved"]);
    });
  });

  it("is not removed by a TRUNCATE on the other", async () => {
    await whileStreaming("truncated", async ({ sources: [a, b], shows }) => {
      await b.query("INSERT INTO items VALUES (2, $1, 'other', $2)", [TENANTS[1][0], LARGE]);
      await shows([1, TENANTS[0][0], "first"], [2, TENANTS[1][0], "other"]);
      await a.query("TRUNCATE items");
      await shows([2, TENANTS[1][0], "other"]);
    });
  });
});

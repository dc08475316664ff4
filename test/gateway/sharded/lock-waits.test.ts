import type pg from "pg";
import { beforeAll, expect, test } from "vitest";
import type { Cluster } from "../../../src/embedded/cluster.js";
import { startTestCluster } from "../../support/cluster.js";
import { keyOf, requestCancel } from "../../support/raw-client.js";
import { type ShardedWorld, startWorld } from "./sharded-world.js";

/* Many clients that wait for each other's locks on several shards, are cancelled, and run out of time: each one is answered. */

const CLIENTS = 12;
const ROUNDS = Number(process.env["LOCK_WAIT_ROUNDS"] ?? 25);
/** Rows that they all want. */
const USERS = [1, 2, 3, 4, 5, 6];
const CODES = ["aa", "bb", "cc"];
/** What may become of a statement here: cancelled, out of time for a lock, a deadlock on one shard, and what follows these. */
const EXPECTED = new Set(["57014", "55P03", "40P01", "25P02", "40001"]);

let cluster: Cluster;
let admin: pg.Client;
let world: ShardedWorld;

beforeAll(async () => {
  cluster = await startTestCluster({ settings: { max_prepared_transactions: 50, max_connections: 200, synchronous_commit: "off", fsync: "off", deadlock_timeout: "50ms" } });
  admin = await cluster.connect();
  world = await startWorld(cluster, "contended", 3, { twoPhaseCommit: true, deadlockTimeout: 150 });
  const client = await world.connect();
  await client.query(`INSERT INTO users (id, age) VALUES ${USERS.map((id) => `(${id}, 0)`).join(", ")}`);
  await client.end();
});

/** Numbers that are the same in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

type Work = (client: pg.Client, pick: (below: number) => number) => Promise<unknown>;

const upsert: Work = (client, pick) => client.query("INSERT INTO countries (code, v) VALUES ($1, $2) ON CONFLICT (code) DO UPDATE SET v = countries.v + excluded.v", [CODES[pick(CODES.length)], pick(10)]);
/** Values that the first shard computes for all. */
const computed: Work = (client, pick) => client.query(`INSERT INTO countries (code, v) VALUES ('${CODES[pick(CODES.length)]!}', (random() * 10)::int) ON CONFLICT (code) DO UPDATE SET v = excluded.v RETURNING code`);
const touch: Work = (client, pick) => client.query({ name: "touch", text: "UPDATE users SET age = age + 1 WHERE id = $1", values: [USERS[pick(USERS.length)]] });
const WORK: readonly Work[] = [
  upsert,
  computed,
  touch,
  (client) => client.query("UPDATE users SET age = age + 1"),
  (client) => client.query("SELECT id, age FROM users ORDER BY id FOR UPDATE"),
  (client) => client.query("UPDATE countries SET v = v + 1"),
  async (client, pick) => {
    await client.query("BEGIN");
    if (pick(2) === 0) await client.query("SAVEPOINT a");
    for (let statement = 0; statement < 3; statement++) await [upsert, computed, touch][pick(3)]!(client, pick);
    await client.query(pick(4) === 0 ? "ROLLBACK" : "COMMIT");
  },
];

test("every client is answered, and is of use afterwards", async () => {
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => world.connect()));
  const outcomes = new Map<string, number>();
  const running = new AbortController();
  const cancelling = (async () => {
    const pick = numbers(99);
    while (!running.signal.aborted) await requestCancel(world.port, keyOf(clients[pick(4)]!));
  })();
  await Promise.all(clients.map(async (client, number) => {
    const pick = numbers(number);
    if (number % 3 === 0) await client.query("SET lock_timeout = '40ms'").catch(() => undefined);
    for (let round = 0; round < ROUNDS; round++) {
      let outcome = "done";
      try {
        await WORK[pick(WORK.length)]!(client, pick);
      } catch (error) {
        outcome = (error as { code?: string }).code ?? String(error);
        // It may be cancelled too.
        while (!(await client.query("ROLLBACK").then(() => true, () => false)));
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  }));
  running.abort();
  await cancelling;
  expect([...outcomes.keys()].filter((outcome) => outcome !== "done" && !EXPECTED.has(outcome))).toEqual([]);
  // All of that has happened.
  for (const outcome of ["done", "57014", "55P03"]) expect(outcomes.get(outcome)).toBeGreaterThan(0);
  await world.databases.start(world.database).then((database) => database.recover());
  expect((await admin.query("SELECT gid FROM pg_prepared_xacts")).rows).toEqual([]);
  const copies = await Promise.all(world.shards.map(async (shard) => (await shard.query("SELECT code, v FROM countries ORDER BY code")).rows as unknown[]));
  for (const copy of copies) expect(copy).toEqual(copies[0]);
  for (const client of clients) expect((await client.query("SELECT count(*) FROM users")).rows).toEqual([{ count: String(USERS.length) }]);
  expect(world.errors).toEqual([]);
  await Promise.all(clients.map((client) => client.end()));
}, 60_000);

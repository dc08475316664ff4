import type pg from "pg";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Cluster } from "../../../src/embedded/cluster.js";
import { startTestCluster } from "../../support/cluster.js";
import { keyOf, requestCancel, untilRow } from "../../support/raw-client.js";
import { WORLD_RULES } from "../planning/differential-world.js";
import { type ShardedWorld, startWorld } from "./sharded-world.js";

const WAITING = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ $1";

let cluster: Cluster;
/** COMMIT one after another; in two phases. */
let sequence: ShardedWorld;
let twoPhase: ShardedWorld;
/** One user of each shard: `ids[shard]`. */
let ids: number[];

beforeAll(async () => {
  cluster = await startTestCluster({ settings: { max_prepared_transactions: 50, synchronous_commit: "off" } });
  // By which a statement waits for what this file has it wait for, and no longer.
  const rules = { ...WORLD_RULES, tables: [...WORLD_RULES.tables, { column: "user_id", dataType: "bigint", hasher: "postgres", mapping: [] } as const] };
  sequence = await startWorld(cluster, "sequence", 3, { deadlockTimeout: 1000, rules });
  twoPhase = await startWorld(cluster, "two_phase", 3, { deadlockTimeout: 1000, twoPhaseCommit: true, rules });
  const admin = await cluster.connect();
  await admin.query("CREATE ROLE limited");
  for (const world of [sequence, twoPhase]) {
    const client = await world.connect();
    await client.query("CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''too late''; END'");
    await client.query("CREATE TABLE late (user_id int8 PRIMARY KEY)");
    await client.query("CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.user_id > 100) EXECUTE FUNCTION fails()");
    await client.end();
  }
});

beforeEach(async () => {
  for (const world of [sequence, twoPhase]) {
    const client = await world.connect();
    await client.query("DELETE FROM users");
    await client.query("DELETE FROM countries");
    await client.query(`INSERT INTO users (id, age) VALUES ${Array.from({ length: 12 }, (_, id) => `(${id}, 0)`).join(", ")}`);
    await client.end();
    ids = [];
    for (const shard of world.shards) ids.push(Number((await shard.query<{ id: string }>("SELECT min(id) AS id FROM users")).rows[0]!.id));
  }
});

async function ages(world: ShardedWorld): Promise<number[]> {
  const found: number[] = [];
  for (const [shard, client] of world.shards.entries()) found.push((await client.query<{ age: number }>("SELECT age FROM users WHERE id = $1", [ids[shard]])).rows[0]!.age);
  return found;
}

async function prepared(): Promise<number> {
  const client = await cluster.connect();
  const { rowCount } = await client.query("SELECT FROM pg_prepared_xacts");
  await client.end();
  return rowCount!;
}

const setAge = (client: pg.Client, shard: number, age: number): Promise<pg.QueryResult> => client.query("UPDATE users SET age = $1 WHERE id = $2", [age, ids[shard]]);
const onShard = async (client: pg.Client, shard: number, text: string): Promise<unknown> => Object.values((await client.query<Record<string, unknown>>(`/* pgdog_shard: ${shard} */ ${text}`)).rows[0]!)[0];

describe.each(["in sequence", "in two phases"] as const)("committed %s", (kind) => {
  let world: ShardedWorld;
  beforeAll(() => {
    world = kind === "in sequence" ? sequence : twoPhase;
  });

  test("a transaction of one, two and all shards; a statement of all", async () => {
    const client = await world.connect();
    for (const shards of [[1], [0, 2], [0, 1, 2]]) {
      await client.query("BEGIN");
      for (const shard of shards) await setAge(client, shard, shards.length);
      expect(await ages(world)).not.toEqual(shards.map(() => shards.length));
      expect((await client.query("COMMIT")).command).toBe("COMMIT");
    }
    expect(await ages(world)).toEqual([3, 3, 3]);
    await client.query("UPDATE users SET age = 7");
    expect(await ages(world)).toEqual([7, 7, 7]);
    expect(await prepared()).toBe(0);
    await client.end();
  });

  test("what fails when it is committed is nowhere, and the session goes on", async () => {
    const client = await world.connect();
    await client.query("BEGIN");
    for (let shard = 0; shard < 3; shard++) await setAge(client, shard, 5);
    await client.query("INSERT INTO late VALUES (101), (102), (103), (104), (105)");
    await expect(client.query("COMMIT")).rejects.toMatchObject({ message: "too late" });
    expect((await client.query<{ age: number }>("SELECT DISTINCT age FROM users WHERE id = $1", [ids[0]])).rows).toEqual([{ age: 0 }]);
    // Outside of a transaction too: the tag does not come before the failure.
    await expect(client.query("INSERT INTO late VALUES (101), (102), (103), (104), (105)")).rejects.toMatchObject({ message: "too late" });
    expect((await client.query("SELECT * FROM late")).rows).toEqual([]);
    expect(await ages(world)).toEqual([0, 0, 0]);
    expect(await prepared()).toBe(0);
    await client.end();
  });

  test("an error on one shard is one on all: nothing that they have locked is left", async () => {
    const [client, other] = [await world.connect(), await world.connect()];
    await client.query("BEGIN");
    await setAge(client, 0, 1);
    await setAge(client, 1, 1);
    await expect(client.query("SELECT 1 / (id - $1) FROM users WHERE id = $1", [ids[2]])).rejects.toMatchObject({ code: "22012" });
    // The client has not said ROLLBACK yet.
    await setAge(other, 0, 2);
    await setAge(other, 1, 2);
    await expect(client.query("SELECT 1")).rejects.toMatchObject({ code: "25P02" });
    expect((await client.query("COMMIT")).command).toBe("ROLLBACK");
    expect(await ages(world)).toEqual([2, 2, 0]);
    await Promise.all([client.end(), other.end()]);
  });

  test("shards that come late know the savepoints", async () => {
    const client = await world.connect();
    await client.query("BEGIN");
    await setAge(client, 0, 1);
    await client.query("SAVEPOINT a");
    await setAge(client, 1, 1);
    await client.query("SAVEPOINT b");
    await setAge(client, 0, 2);
    await client.query("ROLLBACK TO b");
    await setAge(client, 2, 3);
    // The error leaves what is before the savepoint.
    await expect(client.query("INSERT INTO users (id) VALUES ($1)", [ids[1]])).rejects.toMatchObject({ code: "23505" });
    await client.query("ROLLBACK TO a");
    await setAge(client, 2, 4);
    await client.query("RELEASE a");
    await client.query("COMMIT");
    expect(await ages(world)).toEqual([1, 0, 4]);
    await client.end();
  });

  test("a shard that was not sent its BEGIN, since another had failed, begins when it is needed", async () => {
    const client = await world.connect();
    await client.query("INSERT INTO countries VALUES ('zz', 0)");
    for (const end of ["ROLLBACK", "COMMIT"]) {
      await client.query("BEGIN");
      await client.query("SAVEPOINT a");
      // The first shard is to be done before the others are sent anything.
      await expect(client.query("UPDATE countries SET v = 1 / v")).rejects.toMatchObject({ code: "22012" });
      await client.query("ROLLBACK TO a");
      for (const shard of [1, 2]) await setAge(client, shard, 9);
      // Nothing is committed before its time.
      expect(await ages(world)).toEqual([0, 0, 0]);
      await client.query(end);
    }
    expect(await ages(world)).toEqual([0, 9, 9]);
    await client.end();
  });

  test("what pg_notify says is heard once the transaction is committed everywhere, and only then", async () => {
    const [client, listener] = [await world.connect(), await cluster.connect(kind === "in sequence" ? "sequence_0" : "two_phase_0")];
    const heard: string[] = [];
    listener.on("notification", ({ payload }) => heard.push(payload ?? ""));
    await listener.query("LISTEN news");
    await client.query(`INSERT INTO users (id) VALUES ${Array.from({ length: 12 }, (_, id) => `(${101 + id})`).join(", ")}`);
    const { rows: [late] } = await world.shards[1]!.query<{ id: string }>("SELECT min(id) AS id FROM users WHERE id > 100");
    for (const failing of [true, false]) {
      await client.query("BEGIN");
      await client.query("SELECT pg_notify('news', $1)", [failing ? "never" : "done"]);
      await setAge(client, 1, 1);
      await setAge(client, 2, 1);
      if (failing) await client.query("INSERT INTO late VALUES ($1)", [late!.id]);
      const committed = client.query("COMMIT");
      if (failing) await expect(committed).rejects.toMatchObject({ message: "too late" });
      else await committed;
    }
    while (heard.length === 0) await listener.query("SELECT");
    expect(heard).toEqual(["done"]);
    await Promise.all([client.end(), listener.end()]);
  });

  test("every shard begins as the client began", async () => {
    const client = await world.connect();
    await client.query("BEGIN ISOLATION LEVEL SERIALIZABLE");
    await client.query("SET LOCAL work_mem = '7MB'");
    for (let shard = 0; shard < 3; shard++) expect([await onShard(client, shard, "SHOW transaction_isolation"), await onShard(client, shard, "SHOW work_mem")]).toEqual(["serializable", "7MB"]);
    await client.query("COMMIT");
    await client.query("BEGIN");
    await client.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    for (let shard = 0; shard < 3; shard++) expect(await onShard(client, shard, "SHOW transaction_isolation")).toBe("repeatable read");
    await expect(setAge(client, 1, 1)).rejects.toMatchObject({ code: "25006" });
    await client.query("ROLLBACK");
    await client.end();
  });

  test("settings are those of the session on every shard, and of the transaction while it lasts", async () => {
    const client = await world.connect();
    const everywhere = async (): Promise<unknown[]> => [await onShard(client, 0, "SHOW work_mem"), await onShard(client, 1, "SHOW work_mem"), await onShard(client, 2, "SHOW work_mem")];
    await onShard(client, 0, "SELECT 1");
    await client.query("SET work_mem = '5MB'");
    expect(await everywhere()).toEqual(["5MB", "5MB", "5MB"]);
    await client.query("BEGIN");
    await onShard(client, 1, "SELECT 1");
    await client.query("SET work_mem = '6MB'");
    await client.query("SAVEPOINT a");
    await client.query("SET work_mem = '8MB'");
    await client.query("ROLLBACK TO a");
    expect(await everywhere()).toEqual(["6MB", "6MB", "6MB"]);
    await client.query("ROLLBACK");
    expect(await everywhere()).toEqual(["5MB", "5MB", "5MB"]);
    await client.query("BEGIN");
    await client.query("SELECT set_config('work_mem', $1, false)", ["9MB"]);
    await client.query("COMMIT");
    expect(await everywhere()).toEqual(["9MB", "9MB", "9MB"]);
    await client.query("RESET ALL");
    expect(await everywhere()).toEqual(["4MB", "4MB", "4MB"]);
    await client.query("SET search_path = archive, public");
    expect(await onShard(client, 2, "SHOW search_path")).toBe('"archive", "public"');
    await client.query("DISCARD ALL");
    expect([await onShard(client, 0, "SHOW search_path"), await onShard(client, 2, "SHOW search_path")]).toEqual(['"$user", public', '"$user", public']);
    await client.end();
  });

  test("roles, on every shard", async () => {
    const client = await world.connect();
    await client.query("SET ROLE limited");
    for (let shard = 0; shard < 3; shard++) expect(await onShard(client, shard, "SELECT current_user")).toBe("limited");
    await expect(client.query("SELECT count(*) FROM users")).rejects.toMatchObject({ code: "42501" });
    await client.query("RESET ROLE");
    await client.query("GRANT ALL ON users TO limited");
    await client.query("SET ROLE limited");
    await client.query("UPDATE users SET age = 4");
    expect(await ages(world)).toEqual([4, 4, 4]);
    await client.query("RESET ROLE");
    await client.query("DROP OWNED BY limited");
    await client.end();
  });

  test("transactions that wait for each other on two shards: one of them fails, and the other goes on", async () => {
    const [one, two] = [await world.connect(), await world.connect()];
    await one.query("BEGIN");
    await two.query("BEGIN");
    await setAge(one, 0, 1);
    await setAge(two, 1, 2);
    const outcomes = await Promise.allSettled([setAge(one, 1, 1), setAge(two, 0, 2)]);
    const failed = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(failed.length).toBeGreaterThan(0);
    for (const { reason } of failed) expect(reason).toMatchObject({ code: "55P03" });
    for (const [index, client] of [one, two].entries()) expect((await client.query("COMMIT")).command).toBe(outcomes[index]!.status === "fulfilled" ? "COMMIT" : "ROLLBACK");
    const winner = outcomes.findIndex((outcome) => outcome.status === "fulfilled");
    expect(await ages(world)).toEqual([winner + 1, winner + 1, 0]);
    await Promise.all([one.end(), two.end()]);
  });

  test("a lock_timeout of the client's own is left as it is", async () => {
    const client = await world.connect();
    await client.query("SET lock_timeout = '1234ms'");
    await client.query("BEGIN");
    await setAge(client, 0, 1);
    await setAge(client, 1, 1);
    expect([await onShard(client, 0, "SHOW lock_timeout"), await onShard(client, 1, "SHOW lock_timeout")]).toEqual(["1234ms", "1234ms"]);
    await client.query("ROLLBACK");
    await client.query("RESET lock_timeout");
    await client.query("BEGIN");
    await setAge(client, 0, 1);
    await setAge(client, 1, 1);
    expect([await onShard(client, 0, "SHOW lock_timeout"), await onShard(client, 1, "SHOW lock_timeout")]).toEqual(["1s", "1s"]);
    await client.query("COMMIT");
    await client.end();
  });

  test("writers of omnisharded tables leave the same rows on all shards, whatever they see of each other", async () => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => world.connect()));
    await clients[0]!.query("INSERT INTO countries (code, v) VALUES ('start', 0)");
    await Promise.all(clients.map(async (client, writer) => {
      for (let turn = 0; turn < 8; turn++) {
        await client.query("BEGIN");
        // What an UPDATE meets hangs on which of the others' rows are there.
        await client.query("UPDATE countries SET v = v * 2 + 1");
        await client.query("INSERT INTO countries (code, v) VALUES ($1, $2)", [`${writer} ${turn}`, turn]);
        await client.query(turn % 5 === 4 ? "ROLLBACK" : "COMMIT");
        await client.query("DELETE FROM countries WHERE v > 1000000");
      }
    }));
    const copies = await Promise.all(world.shards.map(async (shard) => (await shard.query("SELECT * FROM countries ORDER BY code")).rows as unknown[]));
    expect(copies[0]!.length).toBeGreaterThan(3);
    expect(copies[1]).toEqual(copies[0]);
    expect(copies[2]).toEqual(copies[0]);
    await Promise.all(clients.map((client) => client.end()));
  });

  test("a notification with changes of several shards", async () => {
    const [listener, client] = [await world.connect(), await world.connect()];
    const heard: string[] = [];
    await listener.query("LISTEN news");
    const told = new Promise<void>((resolve) => listener.on("notification", ({ channel, payload }) => {
      heard.push(`${channel}: ${payload ?? ""}`);
      resolve();
    }));
    await client.query("BEGIN");
    await client.query("NOTIFY news, 'undone'");
    await client.query("ROLLBACK");
    await client.query("BEGIN");
    await client.query("NOTIFY news, 'done'");
    await setAge(client, 1, 6);
    await setAge(client, 2, 6);
    await client.query("COMMIT");
    await told;
    expect(heard).toEqual(["news: done"]);
    expect(await ages(world)).toEqual([0, 6, 6]);
    await Promise.all([listener.end(), client.end()]);
  });

  test("a client that leaves in the middle has done nothing", async () => {
    const client = await world.connect();
    await client.query("BEGIN");
    for (let shard = 0; shard < 3; shard++) await setAge(client, shard, 9);
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    const other = await world.connect();
    // It waits for the locks until they are gone.
    await other.query("UPDATE users SET age = age + 1");
    expect(await ages(world)).toEqual([1, 1, 1]);
    await other.end();
  });

  test("cancelled while it waits on one of the shards", async () => {
    const client = await world.connect();
    await world.shards[2]!.query("BEGIN; LOCK TABLE users");
    const update = client.query("UPDATE users SET age = 3");
    update.catch(() => undefined);
    await untilRow(world.shards[0]!, WAITING, ["SET age = 3"]);
    await requestCancel(world.port, keyOf(client));
    await expect(update).rejects.toMatchObject({ code: "57014" });
    await world.shards[2]!.query("ROLLBACK");
    expect(await ages(world)).toEqual([0, 0, 0]);
    expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  test("a server that is lost in a transaction ends the session, and nothing is done", async () => {
    const client = await world.connect();
    await client.query("BEGIN");
    for (let shard = 0; shard < 3; shard++) await setAge(client, shard, 9);
    const pid = Number(await onShard(client, 1, "SELECT pg_backend_pid()"));
    const ended = new Promise<Error & { code?: string }>((resolve) => client.once("error", resolve));
    await world.shards[1]!.query("SELECT pg_terminate_backend($1, 10000)", [pid]);
    // Either is told why: the statement, where it came before the end was seen; the other has a lost connection.
    const failed = await client.query("COMMIT").then(() => new Error("it was committed"), (error: unknown) => error as Error);
    expect(`${failed.message}; ${(await ended).message}`).toMatch(/shard 1 .*has closed the connection: terminating connection due to administrator command/);
    const other = await world.connect();
    await other.query("UPDATE users SET age = age + 1");
    expect(await ages(world)).toEqual([1, 1, 1]);
    await other.end();
  });
});

test("committed in sequence, what fails on one shard is not waited for on the others, and their sessions are of use", async () => {
  const [client, holder] = [await sequence.connect(), await cluster.connect("sequence_1")];
  await client.query("CREATE FUNCTION waits_or_fails() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.fails THEN RAISE EXCEPTION ''too late''; END IF; PERFORM pg_advisory_xact_lock(4712); RETURN NULL; END'");
  await client.query("CREATE TABLE waiting (user_id int8 PRIMARY KEY, fails bool)");
  await client.query("CREATE CONSTRAINT TRIGGER waits AFTER INSERT ON waiting DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION waits_or_fails()");
  await holder.query("SELECT pg_advisory_lock(4712)");
  await client.query("BEGIN");
  // Longer than this test may take.
  await client.query("SET LOCAL lock_timeout = '10min'");
  await client.query("INSERT INTO waiting VALUES ($1, true), ($2, false)", [ids[0], ids[1]]);
  await expect(client.query("COMMIT")).rejects.toMatchObject({ message: "too late" });
  for (let shard = 0; shard < 3; shard++) expect((await setAge(client, shard, 6)).command).toBe("UPDATE");
  expect(await ages(sequence)).toEqual([6, 6, 6]);
  await client.query("DROP TABLE waiting");
  await Promise.all([client.end(), holder.end()]);
});

describe("in sequence", () => {
  test("what fails when others are committed already is told, with which", async () => {
    const client = await sequence.connect();
    await client.query("BEGIN ISOLATION LEVEL SERIALIZABLE");
    await setAge(client, 0, 1);
    // On shard 1 a dangerous structure, found when this one commits.
    await client.query("SELECT sum(age) FROM users WHERE id = $1", [ids[1]]);
    await client.query("INSERT INTO items (user_id, n) VALUES ($1, 1)", [ids[1]]);
    await setAge(client, 2, 1);
    const other = sequence.shards[1]!;
    await other.query("BEGIN ISOLATION LEVEL SERIALIZABLE");
    await other.query("SELECT * FROM items");
    await other.query("UPDATE users SET age = 77 WHERE id = $1", [ids[1]]);
    await other.query("COMMIT");
    const failure: unknown = await client.query("COMMIT").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "40003", message: "the transaction was committed on shard 0, but not on all" });
    expect(failure).toMatchObject({ detail: expect.stringMatching(/^Shard 1: could not serialize .*Rolled back on shard 2\.$/s) as unknown });
    expect(await ages(sequence)).toEqual([1, 77, 0]);
    expect((await client.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  test("a server that is lost during a COMMIT: nobody knows", async () => {
    const client = await sequence.connect();
    await client.query("CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END'");
    await client.query("CREATE TABLE slowly (user_id int8)");
    await client.query("CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slowly DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()");
    const holder = sequence.shards[1]!;
    await holder.query("SELECT pg_advisory_lock(4711)");
    await client.query("BEGIN");
    await client.query("INSERT INTO slowly VALUES ($1)", [ids[1]]);
    const committing: Promise<unknown> = client.query("COMMIT").catch((error: unknown) => error);
    await untilRow(holder, "SELECT FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'advisory'");
    await holder.query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'advisory'");
    expect(await committing).toMatchObject({ code: "08007" });
    await holder.query("SELECT pg_advisory_unlock(4711)");
  });
});

describe("in two phases", () => {
  test("what a function has written unseen is prepared too", async () => {
    const client = await twoPhase.connect();
    await client.query("CREATE OR REPLACE FUNCTION hidden(id int8) RETURNS int8 LANGUAGE sql VOLATILE AS 'UPDATE users SET age = 8 WHERE users.id = $1 RETURNING id'");
    await client.query("BEGIN");
    await onShard(client, 1, `SELECT hidden(${ids[1]!})`);
    await setAge(client, 0, 8);
    await setAge(client, 2, 8);
    await client.query("INSERT INTO late VALUES (101), (102), (103), (104), (105)");
    await expect(client.query("COMMIT")).rejects.toMatchObject({ message: "too late" });
    expect(await ages(twoPhase)).toEqual([0, 0, 0]);
    await client.end();
  });

  test("a shard without prepared transactions: no session, and why", async () => {
    const small = await startTestCluster();
    const world = await startWorld(small, "small", 2, { twoPhaseCommit: true });
    await expect(world.connect()).rejects.toMatchObject({ code: "08001", message: expect.stringContaining("max_prepared_transactions is 0") as unknown });
    await expect(world.databases.start(world.database)).rejects.toMatchObject({ code: "TWO_PHASE_UNAVAILABLE" });
  });

  test("a cursor WITH HOLD, which cannot be prepared, outlives its transaction", async () => {
    const client = await twoPhase.connect();
    await client.query("BEGIN");
    await client.query("DECLARE held CURSOR WITH HOLD FOR SELECT id FROM users WHERE id = $1".replace("$1", String(ids[1]!)));
    await setAge(client, 0, 2);
    await setAge(client, 1, 2);
    await client.query("COMMIT");
    expect((await client.query("FETCH ALL FROM held")).rows).toEqual([{ id: String(ids[1]!) }]);
    expect(await ages(twoPhase)).toEqual([2, 2, 0]);
    await client.end();
  });
});

import type pg from "pg";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { from as copyFrom } from "pg-copy-streams";
import postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "../../../src/embedded/cluster.js";
import { queryMessage } from "../../../src/wire/frontend-messages.js";
import { Backend } from "../../../src/wire/message.js";
import { startTestCluster } from "../../support/cluster.js";
import { addressOf, databaseOn, PASSWORD, USER } from "../../support/gateway.js";
import { keyOf, requestCancel, until, untilRow } from "../../support/raw-client.js";
import { WORLD_RULES, WORLD_SCHEMA } from "../planning/differential-world.js";
import { bind, data, describePortal, describeStatement, done, execute, parse, sync, talk } from "./conversation.js";
import { RawSession } from "./raw-session.js";
import { type ShardedWorld, startWorld } from "./sharded-world.js";

let cluster: Cluster;
let world: ShardedWorld;

beforeAll(async () => {
  cluster = await startTestCluster();
  const rules = { ...WORLD_RULES, tables: [...WORLD_RULES.tables, { column: "user_id", dataType: "bigint", hasher: "postgres", mapping: [] } as const] };
  world = await startWorld(cluster, "world", 3, { rules });
  const client = await world.connect();
  await client.query(`INSERT INTO users (id, age) VALUES ${Array.from({ length: 12 }, (_, id) => `(${id}, ${id})`).join(", ")}`);
  await client.end();
});

const databaseOf = async (client: pg.Client, from = ""): Promise<string> => (await client.query<{ current_database: string }>(`SELECT current_database() ${from}`)).rows[0]!.current_database;

describe("where statements go", () => {
  test("by comments and settings of the client", async () => {
    const client = await world.connect();
    expect((await client.query("/* pgdog_shard: 2 */ SELECT current_database()")).rows).toEqual([{ current_database: "world_2" }]);
    await client.query("SET pgdog.shard = 1");
    expect(await databaseOf(client)).toBe("world_1");
    await client.query("BEGIN");
    await client.query("SET LOCAL pgdog.shard = 2");
    expect(await databaseOf(client)).toBe("world_2");
    await client.query("ROLLBACK");
    expect(await databaseOf(client)).toBe("world_1");
    await client.query("SET pgdog.sharding_key = '5'");
    const home = await databaseOf(client);
    await client.query("RESET pgdog.sharding_key");
    const places = await Promise.all(world.shards.map(async (shard) => (await shard.query("SELECT FROM users WHERE id = 5")).rowCount!));
    expect(home).toBe(`world_${places.indexOf(1)}`);
    expect((await client.query<{ count: string }>("SELECT count(*) FROM users")).rows[0]!.count).toBe("12");
    await client.end();
  });

  test("what any shard can answer goes to each in turn, and within a transaction to one", async () => {
    const client = await world.connect();
    const served = (): number[] => world.gateway.serverRows().filter(({ client_id }) => client_id === keyOf(client).processId).map(({ shard }) => shard);
    expect(served()).toHaveLength(1);
    await client.query("BEGIN");
    for (let turn = 0; turn < 4; turn++) await client.query("SELECT * FROM countries");
    await client.query("COMMIT");
    expect(served().length).toBeLessThan(3);
    for (let turn = 0; turn < 4; turn++) await client.query("SELECT * FROM countries");
    expect(served()).toEqual([0, 1, 2]);
    await client.end();
  });

  test("an aggregate, a merge, or a refusal with what to change", async () => {
    const client = await world.connect();
    await expect(client.query("SELECT age, count(*) FROM users GROUP BY age")).rejects.toMatchObject({ code: "0A000", hint: expect.any(String) as unknown });
    await expect(client.query("CREATE TEMP TABLE mine (id int)")).rejects.toMatchObject({ code: "0A000" });
    await expect(client.query("SELECT pg_advisory_lock(1) FROM users")).rejects.toMatchObject({ code: "0A000" });
    await client.end();
  });
});

describe("the schema", () => {
  test("what is made is there at once, for all sessions; in a transaction for that alone", async () => {
    const [client, other] = [await world.connect(), await world.connect()];
    await client.query("CREATE TABLE notes (user_id int8 PRIMARY KEY, note text)");
    await other.query("INSERT INTO notes VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')");
    expect((await client.query("SELECT note FROM notes ORDER BY user_id")).rows.map((row: { note: string }) => row.note).join("")).toBe("abcd");
    await client.query("BEGIN");
    await client.query("CREATE TABLE drafts (user_id int8, draft text)");
    await client.query("CREATE INDEX ON drafts (draft)");
    await client.query("INSERT INTO drafts VALUES (1, 'x'), (2, 'y'), (3, 'z')");
    await client.query("ALTER TABLE drafts RENAME COLUMN draft TO words");
    expect((await client.query("SELECT words FROM drafts ORDER BY user_id")).rows).toEqual([{ words: "x" }, { words: "y" }, { words: "z" }]);
    await expect(other.query("SELECT * FROM drafts")).rejects.toMatchObject({ code: "42P01" });
    await client.query("COMMIT");
    expect((await other.query("SELECT count(*) FROM drafts")).rows).toEqual([{ count: "3" }]);
    for (const shard of world.shards) expect((await shard.query("SELECT FROM drafts")).rowCount).toBeLessThan(3);
    await client.query("DROP TABLE drafts");
    await expect(other.query("SELECT * FROM drafts")).rejects.toMatchObject({ code: "42P01" });
    await Promise.all([client.end(), other.end()]);
  });

  test("what fails on one shard is undone on all", async () => {
    const client = await world.connect();
    await world.shards[2]!.query("CREATE TABLE in_the_way (id int)");
    await expect(client.query("CREATE TABLE in_the_way (id int)")).rejects.toMatchObject({ code: "42P07" });
    for (const shard of world.shards.slice(0, 2)) expect((await shard.query("SELECT to_regclass('in_the_way') AS there")).rows).toEqual([{ there: null }]);
    await world.shards[2]!.query("DROP TABLE in_the_way");
    await client.end();
  });

  test("what cannot be in a transaction goes to one shard after another, and where it fails that is told", async () => {
    const client = await world.connect();
    await client.query("CREATE INDEX CONCURRENTLY users_age ON users (age)");
    for (const shard of world.shards) expect((await shard.query("SELECT to_regclass('users_age') IS NULL AS missing")).rows).toEqual([{ missing: false }]);
    await world.shards[1]!.query("DROP INDEX users_age");
    await expect(client.query("DROP INDEX CONCURRENTLY users_age")).rejects.toMatchObject({ code: "42704", detail: "This is shard 1; on shard 0 it was done." });
    await client.query("DROP INDEX CONCURRENTLY IF EXISTS users_age");
    await client.end();
  });

  test("prepared statements follow the schema", async () => {
    const client = await world.connect();
    await client.query("CREATE TABLE grows (user_id int8, a int)");
    await client.query("INSERT INTO grows VALUES (1, 1), (2, 2), (3, 3)");
    const all = { name: "all", text: "SELECT user_id, a FROM grows ORDER BY user_id" };
    expect((await client.query(all)).rowCount).toBe(3);
    await client.query("ALTER TABLE grows ALTER COLUMN a TYPE int8");
    await expect(client.query(all)).rejects.toMatchObject({ message: "cached plan must not change result type" });
    await client.query("DROP TABLE grows");
    await client.end();
  });
});

describe("the client's connection", () => {
  test("another driver: transactions, cursors, COPY, notifications", async () => {
    const sql = postgres({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD, database: "world", max: 2, onnotice: () => undefined });
    await sql`DELETE FROM items`;
    const writable = await sql`COPY items (user_id, n) FROM STDIN`.writable();
    await pipeline(Readable.from(["1\t1\n2\t1\n", "3\t1\n4\t1\n"]), writable);
    const seen: number[] = [];
    await sql.begin(async (transaction) => {
      for await (const rows of transaction<{ user_id: string }[]>`SELECT user_id FROM items ORDER BY user_id`.cursor(3)) seen.push(...rows.map(({ user_id }) => Number(user_id)));
    });
    expect(seen).toEqual([1, 2, 3, 4]);
    await expect(sql.begin(async (transaction) => {
      await transaction`UPDATE items SET v = 1`;
      await transaction`SELECT 1/0`;
    })).rejects.toMatchObject({ code: "22012" });
    expect(await sql`SELECT count(*)::int AS rows, sum(v)::int AS v FROM items`.catch(() => "refused")).toBeDefined();
    expect(await sql`SELECT user_id FROM items WHERE user_id IN ${sql([2, 3])} ORDER BY user_id`).toEqual([{ user_id: "2" }, { user_id: "3" }]);
    const told = new Promise<string>((resolve) => void sql.listen("news", resolve));
    await untilRow(world.shards[0]!, "SELECT FROM pg_stat_activity WHERE query ~* '^listen.*news' AND state = 'idle'");
    await sql.notify("news", "something");
    expect(await told).toBe("something");
    await sql.end();
  });

  test("notifications come while it is idle, and between its statements", async () => {
    const client = await world.connect();
    const heard: string[] = [];
    client.on("notification", ({ payload, processId }) => heard.push(`${payload ?? ""}${processId === keyOf(client).processId ? " by itself" : ""}`));
    await client.query("LISTEN idle_news");
    await world.shards[0]!.query("NOTIFY idle_news, 'one'");
    await until(() => heard.length === 1);
    await client.query("NOTIFY idle_news, 'two'");
    await world.shards[0]!.query("NOTIFY idle_news, 'three'");
    await until(() => heard.length === 3);
    await client.query("UNLISTEN idle_news");
    await client.query("NOTIFY idle_news, 'four'");
    expect(heard).toEqual(["one", "two by itself", "three"]);
    // In a transaction it counts from the COMMIT on; what is undone, never.
    await client.query("BEGIN; LISTEN idle_news; SAVEPOINT a; LISTEN never; ROLLBACK TO a");
    await world.shards[1]!.query("NOTIFY idle_news, 'too early'");
    await client.query("COMMIT");
    for (const shard of world.shards) await shard.query("NOTIFY never; NOTIFY idle_news, 'of any shard'");
    await until(() => heard.length === 6);
    expect(heard.slice(3)).toEqual(["of any shard", "of any shard", "of any shard"]);
    await client.end();
  });

  test("a slow client holds all shards back, and gets all rows in the end", async () => {
    const ROWS = 60_000;
    const loader = await world.connect();
    await loader.query("CREATE TABLE much (user_id int8, filler text)");
    let next = 0;
    await pipeline(new Readable({
      read() {
        this.push(next >= ROWS ? null : Array.from({ length: 1000 }, () => `${next++}\t${"x".repeat(500)}\n`).join(""));
      },
    }), loader.query(copyFrom("COPY much FROM STDIN")));
    const session = await RawSession.open({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD }, "world");
    const before = process.memoryUsage().arrayBuffers;
    await session.send(queryMessage("SELECT * FROM much ORDER BY user_id"));
    // Nobody reads: each shard's server waits until it may send more.
    for (const shard of world.shards) await untilRow(shard, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'ClientWrite' AND query LIKE '%FROM much%'");
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    let rows = 0;
    for (let message = await session.stream.read(); message!.type !== Backend.readyForQuery; message = await session.stream.read()) if (message!.type === Backend.dataRow) rows++;
    expect(rows).toBe(ROWS);
    await session.end();
    await loader.query("DROP TABLE much");
    await loader.end();
  });

  test("a slow client of which the answer is cancelled is of use again", async () => {
    const client = await world.connect();
    const never = client.query("/* pgdog_shard: 1 */ SELECT pg_sleep(600)");
    never.catch(() => undefined);
    await untilRow(world.shards[1]!, "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    await requestCancel(world.port, keyOf(client));
    await expect(never).rejects.toMatchObject({ code: "57014" });
    expect((await client.query("SELECT count(*) FROM users")).rows).toEqual([{ count: "12" }]);
    await client.end();
  });

  test("a server that closes an idle session ends it", async () => {
    const client = await world.connect();
    await client.query("SELECT count(*) FROM users");
    const { remote_pid } = world.gateway.serverRows().find(({ client_id, shard }) => client_id === keyOf(client).processId && shard === 2)!;
    const ended = new Promise<unknown>((resolve) => client.once("error", resolve));
    await world.shards[2]!.query("SELECT pg_terminate_backend($1)", [remote_pid]);
    expect(await ended).toMatchObject({ code: "57P01", message: expect.stringContaining("shard 2") as unknown });
  });

  test("a type of users has one OID, whatever it is on the shards", async () => {
    for (const [shard, client] of world.shards.entries()) {
      for (let other = 0; other < shard; other++) await client.query(`CREATE TYPE other_${other} AS ENUM ('x')`);
    }
    const client = await world.connect();
    await client.query("CREATE TYPE mood AS ENUM ('sad', 'happy')");
    await client.query("CREATE TABLE moods (user_id int8, mood mood)");
    const oids = await Promise.all(world.shards.map(async (shard) => Number((await shard.query<{ oid: string }>("SELECT 'mood'::regtype::oid AS oid")).rows[0]!.oid)));
    expect(new Set(oids).size).toBe(3);
    const session = await RawSession.open({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD }, "world");
    for (let id = 1; id <= 8; id++) {
      // As a driver does that has looked the type up.
      expect(await talk(session, 1, parse("INSERT INTO moods VALUES ($1, $2) RETURNING mood", "", [20, oids[0]!]), bind([String(id), "happy"]), describePortal(), execute(), sync)).toContain(`columns mood:${oids[0]!}`);
    }
    for (const shard of world.shards) expect((await shard.query("SELECT FROM moods")).rowCount).toBeGreaterThan(0);
    for (let turn = 0; turn < 3; turn++) expect((await talk(session, 1, parse("SELECT mood FROM moods WHERE mood = $1"), describeStatement(), sync)).slice(1, 3)).toEqual([`parameters ${oids[0]!}`, `columns mood:${oids[0]!}`]);
    await client.query("PREPARE by_type (mood) AS SELECT count(*) FROM moods WHERE mood = $1");
    expect((await client.query("EXECUTE by_type ('happy')")).rows).toEqual([{ count: "8" }]);
    await Promise.all([session.end(), client.end()]);
  });

  test("a client that has gone does not leave its statements running", async () => {
    const client = await world.connect();
    client.query("/* pgdog_shard: 2 */ SELECT pg_sleep(601)").catch(() => undefined);
    await untilRow(world.shards[2]!, "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(601)' AND state = 'active'");
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    await untilRow(world.shards[2]!, "SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(601)' AND pid <> pg_backend_pid())");
    await until(() => world.gateway.clientRows().every(({ id }) => id !== keyOf(client).processId));
  });

  test("COPY to a shard that the client names, by both protocols", async () => {
    const session = await RawSession.open({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD }, "world");
    const copy = "/* pgdog_shard: 1 */ COPY countries FROM STDIN";
    expect(await talk(session, 2, queryMessage(copy), data("aa\t1\n"), done, parse(copy), bind(), execute(), sync, data("bb\t2\n"), done, sync)).toEqual(["copyInResponse", "COPY 1", "ready I", "parseComplete", "bindComplete", "copyInResponse", "COPY 1", "ready I"]);
    expect((await world.shards[1]!.query("DELETE FROM countries")).rowCount).toBe(2);
    await session.end();
  });

  test("another encoding is refused", async () => {
    await expect(RawSession.open({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD }, "world", { client_encoding: "LATIN1" })).rejects.toMatchObject({ code: "0A000" });
    const client = await world.connect();
    await expect(client.query("SET client_encoding = 'LATIN1'")).rejects.toMatchObject({ code: "0A000" });
    await client.end();
  });

  test("answers look the same whatever a shard's own defaults are", async () => {
    await world.shards[1]!.query("ALTER DATABASE world_1 SET TimeZone = 'Asia/Tokyo'");
    await world.shards[1]!.query("ALTER DATABASE world_1 SET DateStyle = 'German'");
    await world.shards[2]!.query("ALTER DATABASE world_2 SET TimeZone = 'America/New_York'");
    try {
      const seen = new Set<string>();
      for (let turn = 0; turn < 3; turn++) {
        const client = await world.connect();
        const { rows } = await client.query<{ at: string }>({ text: "SELECT '2026-05-01 12:00+00'::timestamptz AS at FROM users", types: { getTypeParser: () => (value: string) => value } } as unknown as pg.QueryConfig);
        expect(new Set(rows.map(({ at }) => at)).size).toBe(1);
        seen.add(rows[0]!.at);
        await client.query("SET TimeZone = 'UTC'");
        await client.query("RESET TimeZone");
        const again = await client.query<{ at: string }>({ text: "SELECT '2026-05-01 12:00+00'::timestamptz AS at FROM users", types: { getTypeParser: () => (value: string) => value } } as unknown as pg.QueryConfig);
        expect(again.rows).toEqual(rows);
        await client.end();
      }
      // Sessions begin on each shard in turn.
      expect(seen.size).toBe(3);
    } finally {
      await world.shards[0]!.query("ALTER DATABASE world_1 RESET ALL");
      await world.shards[0]!.query("ALTER DATABASE world_2 RESET ALL");
    }
  });
});

describe("moved to other servers", () => {
  let here: ShardedWorld;
  const there = (): ReturnType<typeof databaseOn> => ({ ...databaseOn("moving", addressOf(cluster, "there_0"), addressOf(cluster, "there_1")), sharding: WORLD_RULES });

  beforeAll(async () => {
    here = await startWorld(cluster, "moving", 3);
    for (const name of ["there_0", "there_1"]) {
      await cluster.createDatabase(name);
      const client = await cluster.connect(name);
      await client.query(WORLD_SCHEMA);
      await client.end();
    }
    await cluster.createDatabase("alone");
    const client = await cluster.connect("alone");
    await client.query(WORLD_SCHEMA);
    await client.end();
  });

  test("a session takes its settings, statements and channels along: to other shards, to one database, and back", async () => {
    const client = await here.connect();
    const heard: string[] = [];
    client.on("notification", ({ payload }) => heard.push(payload ?? ""));
    await client.query("SET work_mem = '7MB'");
    await client.query("SET application_name = 'mover'");
    await client.query("SET pgdog.shard = 0");
    await client.query("RESET pgdog.shard");
    await client.query("LISTEN moves");
    await client.query("PREPARE by_sql (int8) AS SELECT $1 + 1 AS next");
    const named = { name: "by_parse", text: "SELECT id FROM users WHERE id = $1" };
    await client.query({ ...named, values: [1] });
    for (const [index, database] of [there(), databaseOn("moving", addressOf(cluster, "alone")), here.database].entries()) {
      here.gateway.replaceDatabases([database]);
      await client.query("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING", [index]);
      const names = [...new Set(here.gateway.serverRows().filter(({ client_id }) => client_id === keyOf(client).processId).map(({ database_name }) => database_name.replace(/_\d$/, "")))];
      expect(names).toEqual([["there", "alone", "moving"][index]]);
      expect((await client.query("SHOW work_mem")).rows).toEqual([{ work_mem: "7MB" }]);
      expect((await client.query("SHOW application_name")).rows).toEqual([{ application_name: "mover" }]);
      expect((await client.query("EXECUTE by_sql (41)")).rows).toEqual([{ next: "42" }]);
      expect((await client.query({ ...named, values: [index] })).rows).toEqual([{ id: String(index) }]);
      await client.query(`NOTIFY moves, '${index}'`);
      await until(() => heard.length === index + 1);
    }
    expect(heard).toEqual(["0", "1", "2"]);
    await client.end();
  });

  test("an open transaction stays until it ends; waiting statements go on there", async () => {
    const client = await here.connect();
    await client.query("BEGIN");
    await client.query("INSERT INTO users (id) VALUES (1001), (1002), (1003), (1004)");
    const paused = here.gateway.pause("test", { timeout: 10_000, action: "abort", signal: new AbortController().signal });
    const other = await here.connect();
    const waiting = other.query("SELECT count(*) FROM users WHERE id > 1000");
    await until(() => here.gateway.clientRows().some(({ state }) => state === "waiting"));
    await client.query("COMMIT");
    await paused;
    here.gateway.replaceDatabases([there()]);
    await here.gateway.release("test");
    expect((await waiting).rows).toEqual([{ count: "0" }]);
    expect((await client.query("SELECT count(*) FROM users WHERE id > 1000")).rows).toEqual([{ count: "0" }]);
    here.gateway.replaceDatabases([here.database]);
    expect((await client.query("SELECT count(*) FROM users WHERE id > 1000")).rows).toEqual([{ count: "4" }]);
    await Promise.all([client.end(), other.end()]);
  });

  test("what cannot be moved ends the session, and says why", async () => {
    const client = await here.connect();
    await client.query("/* pgdog_shard: 1 */ CREATE TEMP TABLE own (id int)");
    const ended = new Promise<unknown>((resolve) => client.once("error", resolve));
    here.gateway.replaceDatabases([there()]);
    expect(await ended).toMatchObject({ code: "57P01", detail: expect.stringContaining("on shard 1 it has temporary tables") as unknown });
    here.gateway.replaceDatabases([here.database]);
  });

  test("an open transaction that is expelled ends its session and is rolled back everywhere", async () => {
    const client = await here.connect();
    await client.query("BEGIN");
    await client.query("INSERT INTO users (id) VALUES (2001), (2002), (2003), (2004)");
    const ended = new Promise<unknown>((resolve) => client.once("error", resolve));
    await here.gateway.pause("test", { timeout: 50, action: "cancel", signal: new AbortController().signal });
    expect(await ended).toMatchObject({ code: "57P01" });
    await here.gateway.release("test");
    const other = await here.connect();
    expect((await other.query("SELECT count(*) FROM users WHERE id > 2000")).rows).toEqual([{ count: "0" }]);
    await other.end();
  });
});

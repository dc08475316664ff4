import type pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { Backend } from "../../../src/wire/message.js";
import { startTestCluster } from "../../support/cluster.js";
import { PASSWORD, USER } from "../../support/gateway.js";
import { WORLD_SCHEMA } from "../planning/differential-world.js";
import {
  bind, closePortal, closeStatement, data, describePortal, describeStatement, done, execute, fail, flush, int8, parse, query, run, said, sync, talk,
} from "./conversation.js";
import { RawSession } from "./raw-session.js";
import { type ShardedWorld, startWorld } from "./sharded-world.js";

/*
 * The same bytes to a server and to the gateway: the same messages come back, in the same order.
 */

let world: ShardedWorld;
let whole: pg.Client;
let server: { host: string; port: number; user: string; password: string };

const ROWS = "INSERT INTO users (id, name, age) VALUES (1, 'a', 10), (2, 'b', 20), (3, NULL, 30), (4, 'd', NULL), (5, 'e', 50), (6, 'f', 60), (7, 'g', 70), (8, 'h', 80)";

beforeAll(async () => {
  const cluster = await startTestCluster();
  server = cluster;
  await cluster.createDatabase("whole");
  whole = await cluster.connect("whole");
  await whole.query(WORLD_SCHEMA);
  await whole.query(ROWS);
  world = await startWorld(cluster, "world", 3);
  const client = await world.connect();
  await client.query(ROWS);
  // So that all shards have some.
  expect((await Promise.all(world.shards.map((shard) => shard.query("SELECT FROM users")))).map(({ rowCount }) => rowCount! > 0)).toEqual([true, true, true]);
});

/** Both sides' answers, which have to be one. `ready`: how many ReadyForQuery there will be. */
async function same(ready: number, ...messages: readonly Buffer[]): Promise<string[]> {
  const sessions = await Promise.all([
    RawSession.open(server, "whole"),
    RawSession.open({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD }, "world"),
  ]);
  try {
    const [expected, found] = await Promise.all(sessions.map((session) => talk(session, ready, ...messages)));
    expect(found).toEqual(expected);
    return found!;
  } finally {
    await Promise.all(sessions.map((session) => session.end()));
  }
}

const ONE = "SELECT id, name, age FROM users WHERE id = $1";
const ALL = "SELECT id, name FROM users ORDER BY id";

test("a statement is there once its Parse was answered, whatever becomes of its execution", async () => {
  await same(4, parse("SELECT 10 / $1::int", "quotient"), bind(["0"], { statement: "quotient" }), execute(), sync, bind(["5"], { statement: "quotient" }), execute(), sync,
    parse("SELECT id + $1 FROM users WHERE id = 1", "sum"), bind([], { statement: "sum" }), execute(), sync, bind(["5"], { statement: "sum" }), execute(), sync);
});

test("a shard whose answer to Parse nobody has read, since another one failed, prepares the statement again", async () => {
  // Each of them has another shard look at the statement first.
  const sessions = await Promise.all([0, 1, 2].map(() => RawSession.open({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD }, "world")));
  for (const session of sessions) await talk(session, 1, parse("SELECT pid FROM users JOIN products ON v = age", "joined"), describeStatement("joined"), sync);
  await world.shards[0]!.query("ALTER TABLE products RENAME v TO w");
  for (const session of sessions) expect(await talk(session, 1, bind([], { statement: "joined" }), execute(), sync)).toContain("ERROR 42703");
  await world.shards[0]!.query("ALTER TABLE products RENAME w TO v");
  for (const session of sessions) expect(await talk(session, 1, bind([], { statement: "joined" }), execute(), sync)).toEqual(["bindComplete", "SELECT 0", "ready I"]);
  await Promise.all(sessions.map((session) => session.end()));
});

describe("simple queries", () => {
  test.each([
    ["one shard", 1, [query("SELECT name FROM users WHERE id = 3")]],
    ["all shards", 1, [query(ALL)]],
    ["nothing", 1, [query("")]],
    ["nothing but a comment", 1, [query(" -- nothing\n;;")]],
    ["several statements", 1, [query("SELECT 1 AS one; SELECT count(*) FROM users; SELECT id FROM users WHERE id = 8")]],
    ["several, the second fails", 1, [query("UPDATE users SET age = 0 WHERE id = 1; SELECT 1/0; UPDATE users SET age = 1")]],
    ["what came before it is undone", 2, [query("UPDATE users SET age = 0; SELECT 1/0"), query("SELECT sum(age) FROM users")]],
    ["a syntax error", 1, [query("SELEC 1")]],
    ["a syntax error in the second does not run the first", 2, [query("UPDATE users SET age = 0; SELEC 1"), query("SELECT sum(age) FROM users")]],
    ["an unknown table", 1, [query("SELECT * FROM nowhere")]],
    ["an unknown column, on all shards", 1, [query("SELECT nothing FROM users ORDER BY id")]],
    ["changes on all shards", 2, [query("BEGIN; UPDATE users SET age = age + 1; SELECT sum(age) FROM users; ROLLBACK"), query("SELECT sum(age) FROM users")]],
    ["rows of several shards, changed and returned", 1, [query("BEGIN; DELETE FROM users WHERE age > 15 RETURNING 1 AS gone; ROLLBACK")]],
    ["a transaction over several queries", 5, [query("BEGIN"), query("UPDATE users SET age = 0 WHERE id IN (1, 2, 3)"), query("SELECT id, age FROM users ORDER BY age, id LIMIT 4"), query("ROLLBACK"), query("SELECT sum(age) FROM users")]],
    ["a failed transaction", 6, [query("BEGIN"), query("SELECT 1/0"), query("SELECT 1"), query("COMMIT"), query("ROLLBACK"), query("SELECT 1")]],
    ["BEGIN in the middle of a query", 3, [query("SELECT 1; BEGIN; SELECT 2"), query("SELECT 3"), query("COMMIT")]],
    ["COMMIT without a transaction", 1, [query("COMMIT")]],
    ["BEGIN twice", 3, [query("BEGIN"), query("BEGIN"), query("ROLLBACK")]],
    ["START TRANSACTION", 2, [query("START TRANSACTION READ ONLY"), query("ROLLBACK")]],
    ["a read-only transaction", 3, [query("BEGIN READ ONLY"), query("UPDATE users SET age = 1"), query("ROLLBACK")]],
    ["savepoints", 9, [query("BEGIN"), query("UPDATE users SET age = 1 WHERE id = 1"), query("SAVEPOINT a"), query("UPDATE users SET age = 2"), query("SELECT 1/0"), query("ROLLBACK TO a"), query("SELECT sum(age) FROM users"), query("RELEASE a"), query("ROLLBACK")]],
    ["savepoints that do not exist", 5, [query("BEGIN"), query("ROLLBACK TO nowhere"), query("ROLLBACK"), query("SAVEPOINT a"), query("RELEASE a")]],
    ["AND CHAIN", 4, [query("BEGIN ISOLATION LEVEL REPEATABLE READ"), query("COMMIT AND CHAIN"), query("SHOW transaction_isolation"), query("ROLLBACK")]],
    ["settings", 4, [query("SET application_name = 'mine'"), query("SHOW application_name"), query("RESET application_name"), query("SHOW nothing.like_this")]],
    ["settings of a transaction", 6, [query("BEGIN"), query("SET LOCAL TimeZone = 'Asia/Tokyo'"), query("SELECT id, current_setting('TimeZone') FROM users ORDER BY id"), query("SET work_mem = '7MB'"), query("ROLLBACK"), query("SHOW work_mem")]],
    ["a setting that is none", 1, [query("SET work_mem = 'lots'")]],
    ["SET LOCAL outside of a transaction", 1, [query("SET LOCAL work_mem = '7MB'")]],
    ["PREPARE and EXECUTE", 6, [query("PREPARE one (int8) AS SELECT name FROM users WHERE id = $1"), query("EXECUTE one (2)"), query("EXECUTE one ('5')"), query("PREPARE one AS SELECT 1"), query("DEALLOCATE one"), query("EXECUTE one (2)")]],
    ["EXECUTE with too few", 2, [query("PREPARE one (int8) AS SELECT name FROM users WHERE id = $1"), query("EXECUTE one")]],
    ["DEALLOCATE of nothing", 2, [query("DEALLOCATE nothing"), query("DEALLOCATE ALL")]],
    ["cursors", 7, [query("BEGIN"), query("DECLARE c CURSOR FOR SELECT id FROM users WHERE id = 7"), query("FETCH 1 FROM c"), query("FETCH 1 FROM c"), query("CLOSE c"), query("FETCH 1 FROM c"), query("ROLLBACK")]],
    ["an INSERT of several shards, its rows returned in order", 2, [query("BEGIN; INSERT INTO users (id, name) VALUES (101, 'x'), (102, 'y'), (103, 'z'), (104, 'w') RETURNING id, name; ROLLBACK"), query("SELECT count(*) FROM users")]],
    ["a duplicate key on one shard undoes the others", 2, [query("INSERT INTO users (id) VALUES (111), (112), (113), (1), (114)"), query("SELECT count(*) FROM users")]],
    ["the same rows everywhere", 2, [query("INSERT INTO countries (code, v) VALUES ('xx', 1), ('yy', 2) RETURNING code; UPDATE countries SET v = v + 1 WHERE code = 'xx'; SELECT * FROM countries ORDER BY code; DELETE FROM countries"), query("SELECT * FROM countries")]],
    ["values that a shard makes", 2, [query("BEGIN; INSERT INTO products (title) VALUES ('one'), ('two') RETURNING title; SELECT title, v FROM products ORDER BY title; ROLLBACK"), query("SELECT count(*) FROM products")]],
    ["EXPLAIN", 1, [query("EXPLAIN (COSTS OFF) SELECT name FROM users WHERE id = 1")]],
    ["VACUUM in a transaction", 3, [query("BEGIN"), query("VACUUM users"), query("ROLLBACK")]],
    ["VACUUM", 1, [query("VACUUM users")]],
    ["DDL and its notices, once", 4, [query("DROP TABLE IF EXISTS not_there"), query("BEGIN; CREATE TABLE made (user_id int8); INSERT INTO made VALUES (1), (2), (3); SELECT * FROM made ORDER BY user_id; ALTER TABLE made ADD COLUMN more text; ROLLBACK"), query("SELECT * FROM made"), query("DISCARD ALL")]],
  ] as const)("%s", async (_, ready, messages) => {
    await same(ready, ...messages);
  });
});

describe("the extended protocol", () => {
  test.each([
    ["a statement with parameters", 1, [parse(ONE), bind(["3"]), describePortal(), execute(), sync]],
    ["binary parameters and results", 1, [parse(ONE), bind([int8(5)], { results: [1] }), describePortal(), execute(), sync]],
    ["formats by column", 1, [parse(ONE), bind([int8(5)], { results: [1, 0, 1] }), describePortal(), execute(), sync]],
    ["NULL", 1, [parse(ONE), bind([null]), execute(), sync]],
    ["all shards, described", 1, [parse(ALL), describeStatement(), bind(), describePortal(), execute(), sync]],
    ["all shards, binary", 1, [parse("SELECT id, age FROM users WHERE id <> $1 ORDER BY age DESC NULLS FIRST, id"), bind([int8(2)], { results: [1] }), describePortal(), execute(), sync]],
    ["a hidden sort column", 1, [parse("SELECT name FROM users ORDER BY id"), bind([], { results: [1] }), describePortal(), execute(), sync]],
    ["LIMIT and OFFSET as parameters", 1, [parse("SELECT id FROM users ORDER BY id LIMIT $1 OFFSET $2"), bind([int8(3), "2"]), execute(), sync]],
    ["a negative LIMIT", 1, [parse("SELECT id FROM users ORDER BY id LIMIT $1"), bind(["-1"]), execute(), sync]],
    ["aggregates, binary", 1, [parse("SELECT count(*), sum(age), min(id), max(age) FROM users"), bind([], { results: [1] }), describePortal(), execute(), sync]],
    ["named statements, run again and closed", 4, [
      parse(ONE, "one"), describeStatement("one"), sync, bind(["1"], { statement: "one" }), execute(), sync,
      bind(["2"], { statement: "one" }), execute(), bind(["3"], { statement: "one" }), execute(), closeStatement("one"), sync, bind(["2"], { statement: "one" }), execute(), sync]],
    ["a name that is taken", 2, [parse(ONE, "one"), parse(ALL, "one"), sync, bind(["1"], { statement: "one" }), execute(), sync]],
    ["the unnamed statement stays", 2, [parse(ONE), sync, bind(["1"]), execute(), sync]],
    ["... until the next one", 2, [parse(ONE), sync, parse(ALL), bind(), execute(), sync]],
    ["... or a Query", 3, [parse(ONE), sync, query("SELECT 1"), bind(["1"]), execute(), sync]],
    ["an error skips to the Sync", 2, [run("SELECT 1/0"), run("SELECT 2"), query("SELECT 3"), sync, run("SELECT 4"), sync]],
    ["an error in Parse", 1, [parse("SELECT nothing FROM users"), bind(), execute(), sync]],
    ["a syntax error", 1, [parse("SELEC"), sync]],
    ["an unknown table", 1, [parse("SELECT * FROM nowhere"), describeStatement(), sync]],
    ["several statements in one", 1, [parse("SELECT 1; SELECT 2"), sync]],
    ["too few parameters", 1, [parse(ONE), bind([]), execute(), sync]],
    ["nothing to be executed", 1, [run(""), sync]],
    ["a pipeline is one transaction", 2, [run("UPDATE users SET age = 0 WHERE id = 1"), run("UPDATE users SET age = 0 WHERE id = 2"), run("SELECT 1/0"), sync, run("SELECT sum(age) FROM users"), sync]],
    ["... also where it goes well", 3, [run("UPDATE users SET age = age + 1 WHERE id = 1"), run("UPDATE users SET age = age + 1 WHERE id = 2"), sync, run("SELECT sum(age) FROM users"), sync, run("UPDATE users SET age = age - 1 WHERE id IN (1, 2)"), sync]],
    ["BEGIN and COMMIT in a pipeline", 2, [run("BEGIN"), run("UPDATE users SET age = 0"), run("SELECT sum(age) FROM users"), run("ROLLBACK"), sync, run("SELECT sum(age) FROM users"), sync]],
    ["a transaction over several batches", 4, [run("BEGIN"), sync, run("SELECT id FROM users ORDER BY id"), sync, run("SELECT 1/0"), sync, run("ROLLBACK"), sync]],
    ["a failed transaction", 4, [run("BEGIN"), run("SELECT 1/0"), sync, parse("SELECT 1"), sync, run("COMMIT"), sync, run("SELECT 1"), sync]],
    ["rows in portions, one shard", 1, [parse("SELECT * FROM generate_series(1, 5)"), bind(), execute("", 2), execute("", 2), execute("", 2), sync]],
    ["rows in portions, all shards", 1, [parse(ALL), bind(), describePortal(), execute("", 3), execute("", 3), execute("", 3), execute("", 3), sync]],
    ["portions that end with the rows", 1, [parse(ALL), bind(), execute("", 8), execute("", 1), sync]],
    ["portals over several batches, and others in between", 5, [
      run("BEGIN"), sync, parse(ALL, "all"), bind([], { statement: "all", portal: "p" }), execute("p", 2), sync,
      run("SELECT count(*) FROM users"), parse("SELECT id FROM users ORDER BY id DESC"), bind([], { portal: "q" }), execute("q", 1), sync,
      execute("p", 3), execute("q", 0), closePortal("p"), closePortal("q"), sync, run("ROLLBACK"), sync]],
    ["a portal that is taken", 1, [parse(ALL, "all"), bind([], { statement: "all", portal: "p" }), bind([], { statement: "all", portal: "p" }), sync]],
    ["portals end with their transaction", 2, [parse(ONE, "one"), bind(["1"], { statement: "one", portal: "p" }), sync, execute("p"), sync]],
    ["a portal that is bound, and executed later", 1, [parse(ALL), bind([], { portal: "p" }), describePortal("p"), flush, execute("p"), sync]],
    ["a rows' limit that is the LIMIT's", 1, [parse("SELECT id FROM users ORDER BY id DESC LIMIT 3"), bind(), execute("", 2), execute("", 2), sync]],
    ["changes of several shards", 3, [run("INSERT INTO items (user_id, n, v) VALUES ($1, 1, $4), ($2, 1, $5), ($3, 1, 7) RETURNING user_id, v", ["1", "2", int8(3), "70", null]), sync, run("SELECT user_id, v FROM items ORDER BY user_id"), sync, run("DELETE FROM items"), sync]],
    ["values that a shard makes, binary", 1, [run("BEGIN"), run("INSERT INTO products (title, v) VALUES ($1, 4), ('b', 5) RETURNING title, v", ["a"], [1]), run("SELECT title FROM products ORDER BY v DESC"), run("ROLLBACK"), sync]],
    ["settings and their statements' descriptions", 1, [parse("SET application_name = 'x'"), describeStatement(), bind(), describePortal(), execute(), sync]],
    ["set_config", 2, [run("SELECT set_config('application_name', $1, false)", ["by function"]), sync, run("SHOW application_name"), sync]],
    ["PREPARE and EXECUTE", 2, [run("PREPARE p AS SELECT id FROM users WHERE id = $1"), run("EXECUTE p (4)"), sync, bind(["5"], { statement: "p" }), execute(), sync]],
    ["DEALLOCATE of a Parse's", 2, [parse(ONE, "one"), sync, run("DEALLOCATE one"), bind(["1"], { statement: "one" }), sync]],
    ["what is not there", 3, [bind([], { statement: "no" }), sync, execute("no"), sync, describePortal("no"), sync]],
    ["Close of what is not there", 1, [closeStatement("no"), closePortal("no"), sync]],
    ["Sync alone", 2, [sync, sync]],
    ["VACUUM in a pipeline", 1, [run("SELECT 1"), run("VACUUM users"), sync]],
    ["an array of keys", 1, [run("SELECT id FROM users WHERE id = ANY ($1) ORDER BY id", ["{1,3,5,99}"]), sync]],
  ] as const)("%s", async (_, ready, messages) => {
    await same(ready, ...messages);
  });

  test("Flush brings what is ready", async () => {
    const session = await RawSession.open({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD }, "world");
    await session.send(parse(ONE), describeStatement(), flush);
    const next = async (count: number): Promise<string[]> => {
      const messages: string[] = [];
      while (messages.length < count) messages.push(said((await session.stream.read())!));
      return messages;
    };
    expect(await next(3)).toEqual(["parseComplete", "parameters 20", "columns id:20 name:25 age:23"]);
    await session.send(bind([int8(2)]), execute(), flush);
    expect(await next(3)).toEqual(["bindComplete", "row 2 b 20", "SELECT 1"]);
    await session.send(sync);
    expect(await next(1)).toEqual(["ready I"]);
    await session.end();
  });
});

describe("COPY", () => {
  test.each([
    ["to the shards, and back", 3, [
      query("COPY items (user_id, n, note) FROM STDIN"), data("1\t1\ta\n2\t1\t"), data("b\n3\t1\tc"), data("\n4\t1\t\\N\n"), done, query("SELECT user_id, note FROM items ORDER BY user_id"), query("DELETE FROM items")]],
    ["csv with a header", 2, [query("COPY users (age, id) FROM STDIN (FORMAT csv, HEADER)"), data("age,id\n1,201\n2,202\n"), data('"3",203'), done, query("DELETE FROM users WHERE id > 200")]],
    ["the same everywhere", 2, [query("COPY countries FROM STDIN"), data("aa\t1\nbb\t2\n"), done, query("SELECT * FROM countries ORDER BY code; DELETE FROM countries")]],
    ["of one shard out", 1, [query("COPY (SELECT name, age FROM users WHERE id = 3) TO STDOUT (FORMAT csv, HEADER)")]],
    ["a client that gives up", 2, [query("COPY items FROM STDIN"), data("1\t1\t1\ta\n"), fail("no more"), query("SELECT count(*) FROM items")]],
    ["a row that a shard does not like", 2, [query("COPY items (user_id, n, v) FROM STDIN"), data("1\t1\t1\n2\t1\tx\n3\t1\t1\n"), data("4\t1\t1\n"), done, query("SELECT count(*) FROM items")]],
    ["too many fields", 1, [query("COPY items (user_id, n, v) FROM STDIN"), data("1\t1\t1\t1\n"), done]],
    ["a key that is none", 1, [query("COPY items (user_id, n, v) FROM STDIN"), data("one\t1\t1\n"), done]],
    ["in the middle of several statements", 2, [query("DELETE FROM items; COPY items (user_id, n) FROM STDIN; SELECT count(*) FROM items"), data("5\t5\n6\t6\n"), done, query("DELETE FROM items")]],
    ["by the extended protocol, with a Sync too early", 3, [parse("COPY items (user_id, n) FROM STDIN"), bind(), describePortal(), execute(), sync, data("5\t5\n6\t6\n"), done, sync, query("SELECT count(*) FROM items"), query("DELETE FROM items")]],
    ["in a transaction that is rolled back", 4, [query("BEGIN"), query("COPY items (user_id, n) FROM STDIN"), data("5\t5\n6\t6\n"), done, query("ROLLBACK"), query("SELECT count(*) FROM items")]],
    ["data without a COPY", 1, [data("x"), done, query("SELECT 1")]],
  ] as const)("%s", async (_, ready, messages) => {
    await same(ready, ...messages);
  });

  test("of all shards out: all lines, in whichever order", async () => {
    const session = await RawSession.open({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD }, "world");
    const lines = await talk(session, 1, query("COPY users (id, name) TO STDOUT"));
    expect(lines.slice().sort()).toEqual(["COPY 8", ...[["1", "a"], ["2", "b"], ["3", "\\N"], ["4", "d"], ["5", "e"], ["6", "f"], ["7", "g"], ["8", "h"]].map(([id, name]) => `copied ${id!}\t${name!}`), "copyDone", "copyOutResponse", "ready I"].sort());
    expect([lines[0], ...lines.slice(-3)]).toEqual(["copyOutResponse", "copyDone", "COPY 8", "ready I"]);
    await session.end();
  });
});

test("a fastpath call is refused, and the session goes on", async () => {
  const session = await RawSession.open({ host: "127.0.0.1", port: world.port, user: USER, password: PASSWORD }, "world");
  // FunctionCall of OID 0 without arguments.
  expect(await talk(session, 2, Buffer.from("460000000e000000000000000000000000".slice(0, 30), "hex"), query("SELECT 1 AS one"))).toEqual(["ERROR 0A000", "ready I", "columns one:23", "row 1", "SELECT 1", "ready I"]);
  expect(Backend.readyForQuery).toBe(0x5a);
  await session.end();
});

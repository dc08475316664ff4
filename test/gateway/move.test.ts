import { once } from "node:events";
import type pg from "pg";
import postgres from "postgres";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, databaseOn, PASSWORD, startGateway, type TestGateway, USER } from "../support/gateway.js";
import { keyOf, until, untilRow } from "../support/raw-client.js";

let cluster: Cluster;
let gateway: TestGateway;
/** Directly on the two databases that are the servers before and after. */
let before: pg.Client;
let after: pg.Client;

beforeAll(async () => {
  cluster = await startTestCluster();
  await cluster.createDatabase("before");
  await cluster.createDatabase("after");
  [before, after] = [await cluster.connect("before"), await cluster.connect("after")];
  // Types of the same name have other OIDs, and keys are wider.
  await after.query("CREATE TYPE another AS ENUM ('x'); CREATE TYPE one_more AS ENUM ('y')");
  for (const [client, type] of [[before, "int"], [after, "bigint"]] as const) {
    await client.query(`
      CREATE SCHEMA stock; CREATE TYPE stock.mood AS ENUM ('glad', 'sad');
      CREATE TABLE stock.items (id ${type} PRIMARY KEY, mood stock.mood, moods stock.mood[]);
      CREATE FUNCTION set_tenant(tenant text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('app.from_function', tenant, false); END $$`);
  }
  await before.query("CREATE TABLE stock.only_here (); CREATE ROLE clerk; GRANT ALL ON SCHEMA stock TO clerk; GRANT ALL ON ALL TABLES IN SCHEMA stock TO clerk");
  await after.query("GRANT ALL ON SCHEMA stock TO clerk; GRANT ALL ON ALL TABLES IN SCHEMA stock TO clerk");
  gateway = await startGateway([databaseOn("shop", addressOf(cluster, "before"))]);
});

beforeEach(async () => {
  await lead("before");
});

/** Has the name lead to this database; resolves when everybody is there. */
async function lead(database: string, meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
  await gateway.gateway.pause("test", { timeout: 10_000, action: "abort", signal: new AbortController().signal }, "shop");
  await meanwhile();
  gateway.gateway.replaceDatabases([databaseOn("shop", addressOf(cluster, database))]);
  await gateway.gateway.release("test", "shop");
  await until(() => gateway.gateway.serverRows().every((row) => row.database_name === database));
}

async function where(client: pg.Client): Promise<string> {
  return (await client.query<{ name: string }>("SELECT current_database() AS name")).rows[0]!.name;
}

describe("a session goes along to other servers", () => {
  test("with its settings, its role and what RESET goes back to", async () => {
    const client = await gateway.connect({ options: "-c work_mem=7MB -c app.startup=s", application_name: "mover" });
    await client.query(`SET search_path = stock, "$user", "It's \\ odd"; SET statement_timeout = '77s'; SET TimeZone = 'Asia/Tokyo'; SET app.tenant = 'é ''5'''; SET ROLE clerk`);
    await client.query("SELECT set_config('app.by_call', 'called', false), public.set_tenant('by function')");
    await client.query("SET client_encoding = 'LATIN1'; SET app.\"Odd\" TO 'odd'; SET standard_conforming_strings = off");
    const shown = async (): Promise<unknown[]> => (await client.query<{ values: string[] }>({ text: `SELECT ARRAY[
      current_setting('search_path'), current_setting('statement_timeout'), current_setting('TimeZone'), current_setting('app.tenant'), current_user, current_setting('app.by_call'),
      current_setting('app.from_function'), current_setting('client_encoding'), current_setting('app.odd'), current_setting('work_mem'), current_setting('app.startup'),
      current_setting('application_name'), current_setting('standard_conforming_strings'), session_user] AS values` })).rows[0]!.values;
    const settings = await shown();
    const told: string[] = [];
    const { connection } = client as unknown as { connection: { on(event: "parameterStatus", hear: (message: { parameterName: string }) => void): void } };
    connection.on("parameterStatus", ({ parameterName }) => told.push(parameterName));
    await lead("after");
    expect(await where(client)).toBe("after");
    expect(await shown()).toEqual(settings);
    // The client knows them.
    expect(told).toEqual([]);
    await client.query("RESET ALL; RESET ROLE");
    expect((await client.query("SELECT current_setting('work_mem') AS memory, current_setting('app.startup') AS startup, current_setting('statement_timeout') AS timeout, current_user AS user")).rows).toEqual([
      { memory: "7MB", startup: "s", timeout: "0", user: "postgres" },
    ]);
    expect((await client.query<{ encoding: string }>("SELECT current_setting('client_encoding') AS encoding")).rows).toEqual([{ encoding: "UTF8" }]);
    await client.end();
  });

  test("with another user's authorization", async () => {
    const client = await gateway.connect();
    await client.query("SET SESSION AUTHORIZATION clerk");
    await lead("after");
    expect((await client.query("SELECT session_user, current_user, current_database()")).rows).toEqual([{ session_user: "clerk", current_user: "clerk", current_database: "after" }]);
    await client.end();
  });

  test("with its prepared statements, whose parameters keep their types", async () => {
    const client = await gateway.connect();
    await client.query("SET search_path = stock");
    const insert = { name: "insert it", text: "INSERT INTO items VALUES ($1, $2, $3) RETURNING pg_typeof($1)::text AS type, pg_typeof($2)::text AS mood" };
    // Binary: an int4 has to stay one, though the column is a bigint now.
    const int4 = (value: number): Buffer => {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(value);
      return bytes;
    };
    expect((await client.query({ ...insert, values: [int4(1), "glad", "{sad,glad}"] })).rows).toEqual([{ type: "integer", mood: "mood" }]);
    await client.query(`PREPARE counted AS SELECT count(*)::int AS rows FROM items; INSERT INTO items VALUES (2); PREPARE "by id" (int) AS SELECT id::text FROM items WHERE id = $1`);
    await lead("after");
    expect((await client.query({ ...insert, values: [int4(3), "sad", "{}"] })).rows).toEqual([{ type: "integer", mood: "mood" }]);
    // Nothing that was sent along with a PREPARE is done again.
    expect((await client.query("EXECUTE counted")).rows).toEqual([{ rows: 1 }]);
    expect((await client.query('EXECUTE "by id" (3)')).rows).toEqual([{ id: "3" }]);
    expect((await after.query("SELECT id::int, mood, moods::text FROM stock.items")).rows).toEqual([{ id: 3, mood: "sad", moods: "{}" }]);
    await lead("before");
    expect((await client.query("EXECUTE counted")).rows).toEqual([{ rows: 2 }]);
    await client.end();
  });

  test("without a prepared statement that the servers refuse, of which it is told", async () => {
    const client = await gateway.connect();
    const notices: string[] = [];
    client.on("notice", ({ message }) => notices.push(message ?? ""));
    await client.query({ name: "gone", text: "SELECT * FROM stock.only_here" });
    await client.query({ name: "kept", text: "SELECT 1 AS one" });
    await lead("after");
    expect((await client.query({ name: "kept", text: "SELECT 1 AS one" })).rows).toEqual([{ one: 1 }]);
    await expect(client.query({ name: "gone", text: "SELECT * FROM stock.only_here" })).rejects.toMatchObject({ code: "26000" });
    expect(notices).toEqual(['the prepared statement "gone" was lost when the database moved to other servers: relation "stock.only_here" does not exist']);
    await client.end();
  });

  test("without a prepared statement whose values a client would misread: it takes them in binary, and they are wider now", async () => {
    await Promise.all([before, after].map((client) => client.query("INSERT INTO stock.items VALUES (77) ON CONFLICT DO NOTHING")));
    const [text, binary] = [await gateway.connect(), await gateway.connect({ binary: true } as pg.ClientConfig)];
    const wider = { name: "wider", text: "SELECT id FROM stock.items WHERE id = $1", values: [77] };
    const same = { name: "same", text: "SELECT mood FROM stock.items WHERE id = $1", values: [77] };
    for (const client of [text, binary]) for (const query of [wider, same]) expect((await client.query(query)).rowCount).toBe(1);
    await lead("after");
    expect((await text.query(wider)).rows).toEqual([{ id: "77" }]);
    for (const client of [text, binary]) expect((await client.query(same)).rowCount).toBe(1);
    await expect(binary.query(wider)).rejects.toMatchObject({ code: "26000" });
    await lead("before");
    await expect(binary.query(wider)).rejects.toMatchObject({ code: "26000" });
    await Promise.all([text.end(), binary.end()]);
  });

  test("with what another driver has prepared and listens to", async () => {
    const sql = postgres({ host: "127.0.0.1", port: gateway.port, user: USER, password: PASSWORD, database: "shop", max: 1 });
    const one = (value: number): Promise<{ name: string; value: number }[]> => sql`SELECT current_database() AS name, ${value}::int AS value`;
    expect(await one(1)).toEqual([{ name: "before", value: 1 }]);
    let told = 0;
    await sql.listen("news", () => {
      told += 1;
    });
    await lead("after", async () => {
      await before.query("NOTIFY news");
    });
    expect(await one(2)).toEqual([{ name: "after", value: 2 }]);
    await after.query("NOTIFY news");
    await until(() => told === 2);
    await sql.end();
  });

  test("that listens, before anybody else goes on", async () => {
    const listener = await gateway.connect();
    const heard: string[] = [];
    listener.on("notification", ({ payload }) => heard.push(payload ?? ""));
    await listener.query('LISTEN "Odd channel"');
    const speaker = await gateway.connect();
    for (const [round, database] of ["after", "before", "after"].entries()) {
      let waiting!: Promise<unknown>;
      await lead(database, async () => {
        waiting = speaker.query(`NOTIFY "Odd channel", '${round}'`);
        await until(() => gateway.gateway.poolRows()[0]!.cl_waiting === 1);
      });
      await waiting;
    }
    await until(() => heard.length === 3);
    expect(heard).toEqual(["0", "1", "2"]);
    await Promise.all([listener.end(), speaker.end()]);
  });

  test("that does nothing: nobody stays behind", async () => {
    const clients = await Promise.all(Array.from({ length: 10 }, () => gateway.connect()));
    await lead("after");
    expect((await before.query("SELECT FROM pg_stat_activity WHERE datname = 'before' AND pid <> pg_backend_pid()")).rowCount).toBe(0);
    expect(await Promise.all(clients.map(where))).toEqual(clients.map(() => "after"));
    await Promise.all(clients.map((client) => client.end()));
  });

  test("or at its next statement, without a pause, where the configuration has changed", async () => {
    const [client, inside] = [await gateway.connect(), await gateway.connect()];
    await inside.query("BEGIN");
    gateway.gateway.replaceDatabases([databaseOn("shop", addressOf(cluster, "after"))]);
    expect(await where(client)).toBe("after");
    expect(await where(inside)).toBe("before");
    await inside.query("COMMIT");
    expect(await where(inside)).toBe("after");
    await Promise.all([client.end(), inside.end()]);
  });
});

describe("a session that cannot go along ends, and is told why", () => {
  const cases: readonly (readonly [name: string, statement: string, reason: string])[] = [
    ["temporary tables", "CREATE TEMP TABLE temporary ()", "it has temporary tables"],
    ["temporary functions", "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "it has temporary functions or types"],
    ["advisory locks", "SELECT pg_advisory_lock(5)", "it holds advisory locks"],
    ["cursors WITH HOLD", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "it has cursors WITH HOLD"],
    ["settings whose names were computed", "SELECT set_config('app.' || 'x', 'y', false)", "it called set_config with a name that is not a constant, so that its settings cannot be known"],
    ["settings whose names come as parameters", "DO $$ BEGIN PERFORM set_config(left('app.xyz', 5), 'y', false); END $$", "it called set_config with a name that is not a constant, so that its settings cannot be known"],
    ["settings that the servers refuse", "SET default_text_search_config = 'stock.words'", 'the new server refused its settings: invalid value for parameter "default_text_search_config": "stock.words"'],
  ];
  test.each(cases)("%s", async (_name, statement, reason) => {
    await before.query("DROP TEXT SEARCH CONFIGURATION IF EXISTS stock.words; CREATE TEXT SEARCH CONFIGURATION stock.words (COPY = simple)");
    const client = await gateway.connect();
    await client.query(statement);
    const ended = once(client, "error");
    await lead("after");
    expect(await ended).toMatchObject([{ code: "57P01", severity: "FATAL", detail: `This session could not be moved with it: ${reason}.`, hint: "Connect again." }]);
    const again = await gateway.connect();
    expect(await where(again)).toBe("after");
    await again.end();
  });

  test("but not for what it has no more", async () => {
    const client = await gateway.connect();
    await client.query("CREATE TEMP TABLE temporary (); DROP TABLE temporary");
    await client.query("SELECT pg_advisory_lock(5), pg_advisory_unlock(5), pg_advisory_xact_lock(6)");
    await client.query("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT; CLOSE c");
    await client.query("SELECT set_config($1, $2, true)", ["app.of_transaction", "x"]);
    await lead("after");
    expect(await where(client)).toBe("after");
    await client.end();
  });

  test("where the new servers cannot be reached", async () => {
    const client = await gateway.connect();
    const ended = once(client, "error");
    gateway.gateway.replaceDatabases([databaseOn("shop", addressOf(cluster, "there is none"))]);
    expect(await ended).toMatchObject([{ code: "3D000", severity: "FATAL" }]);
  });

  test("where its database is in the configuration no more", async () => {
    const client = await gateway.connect();
    const ended = once(client, "error");
    gateway.gateway.replaceDatabases([]);
    expect(await ended).toMatchObject([{ code: "57P01", message: "terminating connection: the database was removed" }]);
    await expect(gateway.connect()).rejects.toMatchObject({ code: "3D000" });
    gateway.gateway.replaceDatabases([databaseOn("shop", addressOf(cluster, "before"))]);
    const again = await gateway.connect();
    expect(await where(again)).toBe("before");
    await again.end();
  });
});

describe("to and fro under load", () => {
  test("no error, and no commit that is lost or done twice", async () => {
    for (const client of [before, after]) await client.query("CREATE TABLE stock.written (id bigint, part int)");
    const sql = postgres({ host: "127.0.0.1", port: gateway.port, user: USER, password: PASSWORD, database: "shop", max: 2 });
    const pipelining = await gateway.connect({ pipeline: true });
    const plain = await gateway.connect();
    let stopped = false;
    let next = 0;
    const acknowledged = new Set<number>();
    const write = async (insert: (id: number) => Promise<unknown>): Promise<void> => {
      while (!stopped) {
        const id = next++;
        await insert(id);
        acknowledged.add(id);
      }
    };
    const writers = [
      write(async (id) => {
        await plain.query("BEGIN");
        await plain.query({ name: "insert", text: "INSERT INTO stock.written VALUES ($1, $2)", values: [id, 1] });
        await plain.query({ name: "insert", text: "INSERT INTO stock.written VALUES ($1, $2)", values: [id, 2] });
        await plain.query("COMMIT");
      }),
      // Never without something in flight.
      ...Array.from({ length: 4 }, () => write((id) => pipelining.query({ name: "both", text: "INSERT INTO stock.written SELECT $1, part FROM generate_series(1, 2) AS part", values: [id] }))),
      write((id) => sql.begin(async (transaction) => {
        await transaction`INSERT INTO stock.written VALUES (${id}, 1)`;
        await transaction`INSERT INTO stock.written VALUES (${id}, 2)`;
      })),
      write((id) => sql`INSERT INTO stock.written SELECT ${id}, part FROM generate_series(1, 2) AS part`),
    ];
    const rowsWritten = async (): Promise<unknown> => await Promise.all([before, after].map(async (client) => (await client.query<{ count: string }>("SELECT count(*) FROM stock.written")).rows));
    const failed = Promise.all(writers);
    failed.catch(() => undefined);
    for (let round = 0; round < 10; round += 1) {
      await lead(round % 2 === 0 ? "after" : "before", async () => {
        // Nothing is open on either side, and nothing comes. Not kept waiting are who logs in, and what restores a session that moved a round ago: there a statement is active that is only prepared.
        const written = await rowsWritten();
        const sessions = "FROM pg_stat_activity WHERE datname IN ('before', 'after') AND pid <> pg_backend_pid()";
        expect((await before.query(`SELECT datname, application_name, state, query, backend_xid ${sessions} AND (backend_xid IS NOT NULL OR state LIKE 'idle in transaction%' OR state = 'active' AND query ~* 'begin|commit')`)).rows).toEqual([]);
        await untilRow(before, `SELECT WHERE NOT EXISTS (SELECT ${sessions} AND state = 'active' AND query ~* 'insert')`);
        expect(await rowsWritten()).toEqual(written);
      });
      const reached = acknowledged.size + 50;
      await Promise.race([until(() => acknowledged.size >= reached), failed]);
    }
    stopped = true;
    await failed;
    const rows = await Promise.all([before, after].map(async (client) => (await client.query<{ id: string; parts: number[] }>("SELECT id, array_agg(part ORDER BY part) AS parts FROM stock.written GROUP BY id")).rows));
    expect(rows.every((side) => side.length > 0)).toBe(true);
    expect(rows.flat().map(({ id }) => Number(id)).sort((one, other) => one - other)).toEqual([...acknowledged].sort((one, other) => one - other));
    expect(new Set(rows.flat().map(({ parts }) => parts.join()))).toEqual(new Set(["1,2"]));
    await Promise.all([sql.end(), pipelining.end(), plain.end()]);
  });
});

test("keys for cancelling stay what they were", async () => {
  const client = await gateway.connect();
  await lead("after");
  const pid = (await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]!.pid;
  const sleeping = client.query("SELECT pg_sleep(1000)").catch((error: unknown) => error);
  await untilRow(after, "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", [pid]);
  const { processId, secretKey } = keyOf(client);
  await gateway.gateway.cancel(processId, secretKey);
  expect(await sleeping).toMatchObject({ code: "57014" });
  await client.end();
});

import { execFile } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { ClientRow } from "../../src/gateway/figures.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, databaseOn, PASSWORD, startGateway, type TestGateway, USER } from "../support/gateway.js";
import { pgbenchPath } from "../support/psql.js";
import { keyOf, requestCancel, until, untilRow } from "../support/raw-client.js";

let cluster: Cluster;
let gateway: TestGateway;
let admin: pg.Client;
const heard: [database: string, text: string][] = [];

beforeAll(async () => {
  cluster = await startTestCluster();
  admin = await cluster.connect();
  gateway = await startGateway([databaseOn("shop", addressOf(cluster, "postgres"))], { onStatement: (database, text) => heard.push([database, text]) });
});

function processOf(client: pg.Client): Promise<number> {
  return client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid").then(({ rows }) => rows[0]!.pid);
}

function socketOf(client: pg.Client): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

function rowOf(client: pg.Client): ClientRow | undefined {
  return gateway.gateway.clientRows().find(({ id }) => id === keyOf(client).processId);
}

describe("what a client says reaches the server as it is", () => {
  test("statements of both protocols, errors, and statements in a row", async () => {
    const client = await gateway.connect({ pipeline: true });
    const answers = await Promise.allSettled([
      client.query("SELECT 1 AS one"),
      client.query("SELECT $1::int + 1 AS two", [1]),
      client.query("SELECT 1/0"),
      client.query({ name: "named", text: "SELECT $1::text AS three", values: ["3"] }),
      client.query({ name: "named", text: "SELECT $1::text AS three", values: [null] }),
      client.query(""),
    ]);
    expect(answers.map((answer) => (answer.status === "fulfilled" ? (answer.value.rows as unknown[]) : (answer.reason as { code: string }).code))).toEqual([
      [{ one: 1 }], [{ two: 2 }], "22012", [{ three: "3" }], [{ three: null }], [],
    ]);
    await client.end();
  });

  test("settings by the start-up packet, and ParameterStatus of what is set later", async () => {
    const client = await gateway.connect({ options: "-c search_path=pg_catalog -c work_mem=7MB", application_name: "one" });
    const told: [string, string][] = [];
    const { connection } = client as unknown as { connection: { on(event: "parameterStatus", hear: (message: { parameterName: string; parameterValue: string }) => void): void } };
    connection.on("parameterStatus", ({ parameterName, parameterValue }) => told.push([parameterName, parameterValue]));
    const { rows } = await client.query("SELECT current_setting('search_path') AS path, current_setting('work_mem') AS memory");
    expect(rows).toEqual([{ path: "pg_catalog", memory: "7MB" }]);
    await client.query("SET application_name = 'two'; SET TimeZone = 'Asia/Tokyo'");
    expect(told.sort()).toEqual([["TimeZone", "Asia/Tokyo"], ["application_name", "two"]]);
    expect(rowOf(client)?.application_name).toBe("two");
    await client.query("RESET ALL");
    expect((await client.query<{ path: string }>("SELECT current_setting('search_path') AS path")).rows).toEqual([{ path: "pg_catalog" }]);
    await client.end();
  });

  test("COPY both ways, with much data", async () => {
    const client = await gateway.connect();
    await client.query("CREATE TABLE copied (id int, filler text)");
    const lines = 200_000;
    let next = 0;
    const source = new Readable({
      read() {
        this.push(next === lines ? null : Buffer.from(Array.from({ length: 1000 }, () => `${next++}\tsome words to fill the line with\n`).join("")));
      },
    });
    await pipeline(source, client.query(copyFrom("COPY copied FROM STDIN")));
    expect((await client.query<{ sum: string }>("SELECT sum(id) FROM copied")).rows).toEqual([{ sum: String((lines * (lines - 1)) / 2) }]);
    let bytes = 0;
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        done();
      },
    });
    await pipeline(client.query(copyTo("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT")), sink);
    const [row] = (await client.query<{ bytes: string }>("SELECT sum(length(id::text || filler) + 2) AS bytes FROM copied")).rows;
    expect(bytes).toBe(Number(row!.bytes));
    await expect(pipeline(Readable.from([Buffer.from("x\n")]), client.query(copyFrom("COPY copied FROM STDIN")))).rejects.toMatchObject({ code: "22P02" });
    expect((await client.query<{ one: number }>("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    expect(rowOf(client)).toMatchObject({ state: "idle" });
    await client.end();
  });

  test("another driver's COPY, cursors, notifications and transactions", async () => {
    const sql = postgres({ host: "127.0.0.1", port: gateway.port, user: USER, password: PASSWORD, database: "shop", max: 1, onnotice: () => undefined });
    await sql`CREATE TABLE of_driver (id int)`;
    const writable = await sql`COPY of_driver FROM STDIN`.writable();
    await pipeline(Readable.from([Buffer.from("1\n2\n"), Buffer.from("3\n")]), writable);
    const seen: number[] = [];
    for await (const rows of sql<{ id: number }[]>`SELECT id FROM of_driver ORDER BY id`.cursor(2)) seen.push(...rows.map(({ id }) => id));
    expect(seen).toEqual([1, 2, 3]);
    const told = new Promise<string>((resolve) => void sql.listen("news", resolve));
    await expect(sql.begin(async (transaction) => {
      await transaction`INSERT INTO of_driver VALUES (4)`;
      await transaction`SELECT 1/0`;
    })).rejects.toMatchObject({ code: "22012" });
    await untilRow(admin, "SELECT FROM pg_stat_activity WHERE query LIKE 'listen%news%' AND state = 'idle'");
    await admin.query("NOTIFY news, 'something'");
    expect(await told).toBe("something");
    expect(await sql`SELECT count(*)::int AS rows FROM of_driver`).toEqual([{ rows: 3 }]);
    await sql.end();
  });

  test.skipIf(pgbenchPath === undefined)("what pgbench does, by each of its protocols", async () => {
    const pgbench = async (...options: readonly string[]): Promise<string> => {
      const { stdout } = await promisify(execFile)(pgbenchPath!, ["-h", "127.0.0.1", "-p", String(gateway.port), "-U", USER, ...options, "shop"], { env: { ...process.env, PGPASSWORD: PASSWORD } });
      return stdout;
    };
    await pgbench("-i", "-q");
    for (const protocol of ["simple", "extended", "prepared"]) {
      expect(await pgbench("-n", "-M", protocol, "-c", "4", "-t", "50")).toMatch(/transactions actually processed: 200\/200\n(?:.*\n)*?number of failed transactions: 0 /);
    }
    expect((await admin.query("SELECT count(*)::int AS written FROM pgbench_history")).rows).toEqual([{ written: 600 }]);
  });

  test("nobody's statements are another's", async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, () => gateway.connect()));
    const answers = await Promise.all(clients.map(async (client, index) => {
      await client.query("SELECT set_config('app.number', $1, false)", [String(index)]);
      return (await client.query<{ number: string }>("SELECT current_setting('app.number') AS number")).rows[0]!.number;
    }));
    expect(answers).toEqual(["0", "1", "2", "3", "4"]);
    await Promise.all(clients.map((client) => client.end()));
  });
});

describe("a cancel request", () => {
  test("reaches the statement of its client, and no other", async () => {
    const [one, other] = [await gateway.connect(), await gateway.connect()];
    const processes = [await processOf(one), await processOf(other)];
    const sleeping = [one, other].map((client) => client.query("SELECT pg_sleep(1000)").catch((error: unknown) => error));
    await untilRow(admin, "SELECT FROM pg_stat_activity WHERE pid = ANY ($1) AND wait_event = 'PgSleep' HAVING count(*) = 2", [processes]);
    // Wrong keys do nothing: theirs are asked for first.
    await requestCancel(gateway.port, { processId: keyOf(one).processId, secretKey: keyOf(other).secretKey });
    await requestCancel(gateway.port, { processId: keyOf(one).processId, secretKey: Buffer.alloc(32) });
    await requestCancel(gateway.port, { processId: 1, secretKey: keyOf(one).secretKey });
    await requestCancel(gateway.port, keyOf(other));
    expect(await sleeping[1]).toMatchObject({ code: "57014" });
    expect((await admin.query("SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", [processes[0]])).rowCount).toBe(1);
    await requestCancel(gateway.port, keyOf(one));
    expect(await sleeping[0]).toMatchObject({ code: "57014" });
    // An idle session is not hurt.
    await requestCancel(gateway.port, keyOf(one));
    expect((await one.query<{ one: number }>("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await Promise.all([one.end(), other.end()]);
  });
});

describe("who is slow holds the other side back", () => {
  test("a client that does not read its rows", async () => {
    const client = await gateway.connect();
    const pid = await processOf(client);
    const socket = socketOf(client);
    const rows = 100_000;
    const reading = client.query<{ filler: string }>(`SELECT repeat('x', 1000) AS filler FROM generate_series(1, ${rows})`);
    socket.pause();
    await untilRow(admin, "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'ClientWrite'", [pid]);
    // What sockets hold; the answer has 100 MB.
    expect(rowOf(client)!.bytes_sent).toBeLessThan(30_000_000);
    socket.resume();
    expect((await reading).rowCount).toBe(rows);
    await client.end();
  });

  test("a server that does not read", async () => {
    const client = await gateway.connect();
    await client.query("CREATE TABLE locked (filler text)");
    const pid = await processOf(client);
    await admin.query("BEGIN; LOCK TABLE locked IN EXCLUSIVE MODE");
    const socket = socketOf(client);
    const writing = client.query("INSERT INTO locked VALUES ('first')");
    writing.catch(() => undefined);
    await untilRow(admin, "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'", [pid]);
    const query = Buffer.alloc(1_000_000, " ");
    query.write("Q", 0, "latin1");
    query.writeInt32BE(query.length - 1, 1);
    query[query.length - 1] = 0;
    const received = (): number => rowOf(client)!.bytes_received;
    // As much as goes: sockets hold some megabytes, and what is written is never taken back.
    let written = 0;
    while (written < 100) {
      written += 1;
      if (!socket.write(query) && written > 50) break;
    }
    const unsent = socket.writableLength;
    expect(unsent).toBeGreaterThan(10_000_000);
    expect(received()).toBeLessThan(30_000_000);
    await admin.query("ROLLBACK");
    await writing;
    await until(() => received() >= written * query.length);
    // node-postgres does not know these answers.
    socket.destroy();
  });
});

describe("an end", () => {
  test("of the server session is the client's, with the server's own words", async () => {
    const client = await gateway.connect();
    const ended = once(client, "error");
    await admin.query("SELECT pg_terminate_backend($1)", [await processOf(client)]);
    expect(await ended).toMatchObject([{ code: "57P01", message: "terminating connection due to administrator command" }]);
    await until(() => rowOf(client) === undefined);
  });

  test("of a server without a word is told as 08006", async () => {
    const server = await startTestCluster();
    const other = await startGateway([databaseOn("shop", addressOf(server, "postgres"))]);
    const client = await other.connect();
    const witness = await other.connect();
    const ended = once(witness, "error");
    process.kill(await processOf(client), "SIGKILL");
    await expect(client.query("SELECT pg_sleep(1000)")).rejects.toMatchObject({ code: "08006" });
    // The postmaster ends all others, with no error either.
    expect(await ended).toMatchObject([{ code: "08006" }]);
    await until(() => other.gateway.clientRows().length === 0);
  });

  test("of a client ends its session, and what ran for it", async () => {
    const running = await gateway.connect();
    const inside = await gateway.connect();
    const pids = [await processOf(running), await processOf(inside)];
    await inside.query("BEGIN; CREATE TABLE half_made ()");
    running.query("SELECT pg_sleep(1000)").catch(() => undefined);
    await untilRow(admin, "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", [pids[0]]);
    for (const client of [running, inside]) socketOf(client).destroy();
    await untilRow(admin, "SELECT FROM (SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)) AS c WHERE count = 0", [pids]);
    expect((await admin.query<{ name: unknown }>("SELECT to_regclass('half_made') AS name")).rows).toEqual([{ name: null }]);
    await until(() => rowOf(running) === undefined && rowOf(inside) === undefined);
  });

  test("comes to who is idle too long, and a statement that runs too long is cancelled", async () => {
    const strict = await startGateway([databaseOn("shop", addressOf(cluster, "postgres"))], { clientIdleTimeout: 200, queryTimeout: 200 });
    const client = await strict.connect();
    const ended = once(client, "error");
    await client.query("BEGIN");
    // Within a transaction that is not idleness; statements of many kinds are cancelled, and the session goes on.
    await expect(client.query("SELECT pg_sleep(1000)")).rejects.toMatchObject({ code: "57014" });
    await client.query("ROLLBACK");
    await expect(client.query("SELECT pg_sleep($1)", [1000])).rejects.toMatchObject({ code: "57014" });
    expect(await ended).toMatchObject([{ code: "57P05", severity: "FATAL" }]);
  });

  test("of the gateway is told", async () => {
    const other = await startGateway([databaseOn("shop", addressOf(cluster, "postgres"))]);
    const [idle, busy] = [await other.connect(), await other.connect()];
    const pids = [await processOf(idle), await processOf(busy)];
    const ended = once(idle, "error");
    const sleeping = busy.query("SELECT pg_sleep(1000)").catch((error: unknown) => error);
    await untilRow(admin, "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", [pids[1]]);
    await other.gateway.close();
    expect(await ended).toMatchObject([{ code: "57P01" }]);
    expect(["57014", "57P01"]).toContain(((await sleeping) as { code: string }).code);
    await untilRow(admin, "SELECT FROM (SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1)) AS c WHERE count = 0", [pids]);
    await expect(other.connect()).rejects.toMatchObject({ code: "57P03" });
  });
});

describe("what is known of clients", () => {
  test("is in the figures", async () => {
    const client = await gateway.connect({ application_name: "counted" });
    const pid = await processOf(client);
    await client.query("BEGIN");
    await client.query("SELECT $1::int", [1]);
    expect(rowOf(client)).toMatchObject({ user: USER, database: "shop", addr: "127.0.0.1", application_name: "counted", state: "idle in transaction", queries: 3, transactions: 1, errors: 0, tls: false });
    await client.query("COMMIT");
    // The client is told of the error before the server says that it is ready again.
    await client.query("SELECT 1/0").catch(() => undefined);
    await until(() => rowOf(client)?.state === "idle");
    expect(rowOf(client)).toMatchObject({ queries: 5, transactions: 3, errors: 1 });
    expect(gateway.gateway.serverRows()).toMatchObject([{ user: "postgres", database: "shop", shard: 0, addr: cluster.host, port: cluster.port, database_name: "postgres", remote_pid: pid, client_id: keyOf(client).processId, application_name: "counted" }]);
    expect(gateway.gateway.poolRows()).toEqual([{ database: "shop", shard: 0, addr: cluster.host, port: cluster.port, database_name: "postgres", servers: 1, cl_active: 0, cl_idle: 1, cl_waiting: 0, paused: false, paused_by: "" }]);
    expect(gateway.gateway.processesOn(addressOf(cluster, "postgres"))).toEqual(new Set([pid]));
    expect(gateway.gateway.processesOn(addressOf(cluster, "other"))).toEqual(new Set());
    await client.end();
  });

  test("the texts of statements are told, whole, in order", async () => {
    const client = await gateway.connect();
    heard.length = 0;
    const long = `SELECT '${"é".repeat(100_000)}' AS text`;
    await client.query("SELECT 'ü' AS text");
    await client.query("SELECT $1::int", [1]);
    await client.query(long);
    await until(() => heard.length === 3);
    expect(heard).toEqual([["shop", "SELECT 'ü' AS text"], ["shop", "SELECT $1::int"], ["shop", long]]);
    await client.end();
  });
});

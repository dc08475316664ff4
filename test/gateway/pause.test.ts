import { once } from "node:events";
import type { Socket } from "node:net";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../src/config/types.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { ReshardError } from "../../src/errors.js";
import type { PoolRow } from "../../src/gateway/figures.js";
import { GatewayTraffic } from "../../src/gateway/gateway-traffic.js";
import type { Drain } from "../../src/pipelines/traffic.js";
import { parseErrorResponse } from "../../src/wire/backend-messages.js";
import { flushMessage, parseMessage } from "../../src/wire/frontend-messages.js";
import { Backend } from "../../src/wire/message.js";
import { openServer } from "../../src/wire/open-server.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, databaseOn, PASSWORD, startGateway, type TestGateway, USER } from "../support/gateway.js";
import { keyOf, requestCancel, until, untilRow } from "../support/raw-client.js";

let cluster: Cluster;
let served: TestGateway;
let gateway: TestGateway["gateway"];
let admin: pg.Client;
let shop: Database;
let other: Database;

beforeAll(async () => {
  cluster = await startTestCluster();
  await cluster.createDatabase("shop");
  await cluster.createDatabase("other");
  admin = await cluster.connect("shop");
  await admin.query("CREATE TABLE written (id int)");
  shop = databaseOn("shop", addressOf(cluster, "shop"));
  other = databaseOn("other", addressOf(cluster, "other"));
  served = await startGateway([shop, other]);
  gateway = served.gateway;
});

function drain(more: Partial<Drain> = {}): Drain {
  return { timeout: 10_000, action: "abort", signal: new AbortController().signal, ...more };
}

function pool(name = "shop"): PoolRow {
  return gateway.poolRows().find(({ database }) => database === name)!;
}

describe("while the gate is held", () => {
  test("statements wait, transactions that are open go on, and clients log in", async () => {
    const [waiting, inside, elsewhere] = [await served.connect(), await served.connect(), await served.connect({ database: "other" })];
    await inside.query("BEGIN");
    await inside.query("INSERT INTO written VALUES (1)");
    const paused = gateway.pause("operator", drain(), "shop");
    let answered = false;
    const answer = waiting.query("SELECT 1 AS one").then(({ rows }) => {
      answered = true;
      return rows as unknown[];
    });
    await until(() => pool().cl_waiting === 1);
    expect(pool()).toMatchObject({ paused: true, paused_by: "operator", cl_active: 1 });
    const late = await served.connect();
    // Another database is not concerned.
    expect((await elsewhere.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await inside.query("INSERT INTO written VALUES (2)");
    await inside.query("COMMIT");
    await paused;
    expect((await admin.query("SELECT id FROM written ORDER BY id")).rows).toEqual([{ id: 1 }, { id: 2 }]);
    const again = inside.query("SELECT 2 AS two");
    const ofLate = late.query("SELECT 3 AS three");
    await until(() => pool().cl_waiting === 3);
    expect(answered).toBe(false);
    await gateway.release("operator", "shop");
    expect(await answer).toEqual([{ one: 1 }]);
    expect((await again).rows).toEqual([{ two: 2 }]);
    expect((await ofLate).rows).toEqual([{ three: 3 }]);
    await gateway.release("operator", "shop");
    await Promise.all([waiting, inside, elsewhere, late].map((client) => client.end()));
  });

  test("what a client sends is not read", async () => {
    const client = await served.connect();
    gateway.hold("operator", "shop");
    const { stream: socket } = (client as unknown as { connection: { stream: Socket } }).connection;
    const answer = client.query("INSERT INTO written VALUES (3)");
    await until(() => pool().cl_waiting === 1);
    const query = Buffer.alloc(1_000_000, " ");
    query.write("Q", 0, "latin1");
    query.writeInt32BE(query.length - 1, 1);
    query[query.length - 1] = 0;
    for (let written = 0; written < 50; written += 1) socket.write(query);
    await until(() => socket.writableLength > 30_000_000);
    expect(gateway.clientRows()[0]!.bytes_received).toBeLessThan(1_000_000);
    await gateway.release("operator", "shop");
    await answer;
    await until(() => gateway.clientRows()[0]!.bytes_received > 50_000_000);
    socket.destroy();
  });

  test("several may hold it, and the last opens it", async () => {
    const client = await served.connect();
    gateway.hold("operator", "shop");
    await gateway.pause("maintenance", drain());
    // New databases are held too.
    gateway.replaceDatabases([shop, other, { ...other, name: "third" }]);
    expect(pool("third")).toMatchObject({ paused_by: "maintenance" });
    const answer = client.query("SELECT 1 AS one");
    await until(() => pool().cl_waiting === 1);
    await gateway.release("maintenance");
    expect(pool()).toMatchObject({ paused_by: "operator", cl_waiting: 1 });
    expect(pool("third")).toMatchObject({ paused: false });
    await gateway.release("operator", "shop");
    expect((await answer).rows).toEqual([{ one: 1 }]);
    gateway.replaceDatabases([shop, other]);
    expect(() => {
      gateway.hold("operator", "third");
    }).toThrow(ReshardError);
    await client.end();
  });

  test("a statement that waits can be cancelled, by either protocol", async () => {
    const client = await served.connect();
    gateway.hold("operator", "shop");
    for (const query of [() => client.query("INSERT INTO written VALUES (4)"), () => client.query("INSERT INTO written VALUES ($1)", [4])]) {
      const answer = query().catch((error: unknown) => error);
      await until(() => pool().cl_waiting === 1);
      await requestCancel(served.port, keyOf(client));
      expect(await answer).toMatchObject({ code: "57014", severity: "ERROR" });
    }
    await gateway.release("operator", "shop");
    expect((await client.query("SELECT count(*)::int AS fours FROM written WHERE id = 4")).rows).toEqual([{ fours: 0 }]);
    await client.end();
  });

  test("a cancel request that comes as the gate opens is none for the next statement that waits", async () => {
    const client = await served.connect();
    const { processId, secretKey } = keyOf(client);
    gateway.hold("operator", "shop");
    const answer = client.query("SELECT 1 AS one");
    await until(() => pool().cl_waiting === 1);
    const released = gateway.release("operator", "shop");
    while (pool().paused) await Promise.resolve();
    // It still counts as one that waits.
    expect(pool().cl_waiting).toBe(1);
    await gateway.cancel(processId, secretKey);
    await released;
    expect((await answer).rows).toEqual([{ one: 1 }]);
    gateway.hold("operator", "shop");
    const moved = client.query("SELECT current_database() AS name");
    await until(() => pool().cl_waiting === 1);
    gateway.replaceDatabases([{ ...other, name: "shop" }, other]);
    await gateway.release("operator", "shop");
    expect((await moved).rows).toEqual([{ name: "other" }]);
    gateway.replaceDatabases([shop, other]);
    await client.end();
  });

  test("a client that waits may leave", async () => {
    const client = await served.connect();
    const id = keyOf(client).processId;
    gateway.hold("operator", "shop");
    client.query("INSERT INTO written VALUES (5)").catch(() => undefined);
    await until(() => pool().cl_waiting === 1);
    (client as unknown as { connection: { stream: Socket } }).connection.stream.resetAndDestroy();
    await until(() => gateway.clientRows().every((row) => row.id !== id));
    await gateway.release("operator", "shop");
    expect((await admin.query("SELECT FROM written WHERE id = 5")).rowCount).toBe(0);
  });
});

describe("transactions that do not end in time", () => {
  test("have the pause given up, and are named", async () => {
    const [idle, running, waiting] = [await served.connect({ application_name: "forgotten" }), await served.connect({ application_name: "busy" }), await served.connect()];
    await idle.query("BEGIN");
    const sleeping = running.query("SELECT pg_sleep(1000)").catch((error: unknown) => error);
    await until(() => pool().cl_active === 2);
    const paused = gateway.pause("cutover", drain({ timeout: 100 }), "shop").catch((error: unknown) => error);
    const answer = waiting.query("SELECT 1 AS one");
    const error = await paused;
    expect(error).toMatchObject({ code: "CUTOVER_DRAIN_TIMEOUT", message: expect.stringMatching(/^2 transactions of database "shop" did not end within 100 ms: application "forgotten" of user "app" at 127\.0\.0\.1:\d+, idle in transaction for \d+ ms; application "busy"/) as unknown });
    // As if nothing had happened.
    expect((await answer).rows).toEqual([{ one: 1 }]);
    await idle.query("COMMIT");
    await requestCancel(served.port, keyOf(running));
    expect(await sleeping).toMatchObject({ code: "57014" });
    await Promise.all([idle, running, waiting].map((client) => client.end()));
  });

  test("are cancelled where that is asked for: statements outside of a transaction, transactions, COPY, and who waits for nobody knows what", async () => {
    const clients = await Promise.all(["alone", "inside", "idle", "copying"].map((name) => served.connect({ application_name: name })));
    const [alone, inside, idle, copying] = clients as [pg.Client, pg.Client, pg.Client, pg.Client];
    await idle.query("BEGIN; INSERT INTO written VALUES (6)");
    await inside.query("BEGIN; INSERT INTO written VALUES (6)");
    const sleeping = [alone, inside].map((client) => client.query("INSERT INTO written SELECT 6 FROM pg_sleep(1000)").catch((error: unknown) => error));
    const copy = copying.query(copyFrom("COPY written FROM STDIN"));
    const ended = Promise.all([inside, idle, copy].map((client) => once(client, "error")));
    copy.write("6\n");
    const unsynced = await openServer({ host: "127.0.0.1", port: served.port, user: USER, password: PASSWORD, database: "shop", sslmode: "disable" }, { parameters: [], timeout: 0 });
    await unsynced.stream.write([parseMessage({ name: "", text: "SELECT 1", parameterTypes: [] }), flushMessage]);
    expect((await unsynced.stream.read())?.type).toBe(Backend.parseComplete);
    await until(() => pool().cl_active === 5);
    await untilRow(admin, "SELECT FROM pg_stat_activity WHERE wait_event IN ('PgSleep', 'ClientRead') AND application_name IN ('alone', 'inside', 'copying') AND state = 'active' HAVING count(*) = 3");
    await gateway.pause("cutover", drain({ timeout: 100, action: "cancel" }), "shop");
    // No transaction is open, and none of these has committed anything.
    expect((await admin.query("SELECT FROM pg_stat_activity WHERE xact_start IS NOT NULL AND datname = 'shop' AND pid <> pg_backend_pid()")).rowCount).toBe(0);
    expect((await admin.query("SELECT FROM written WHERE id = 6")).rowCount).toBe(0);
    expect(await sleeping[0]).toMatchObject({ code: "57014" });
    expect(await sleeping[1]).toMatchObject({ code: "57014" });
    const errors = [...((await ended) as unknown[][]).flat(), parseErrorResponse((await unsynced.stream.read())!)];
    for (const error of errors) {
      expect(error).toMatchObject({ code: "57P01", severity: "FATAL", detail: 'The transaction was still open when the traffic of database "shop" had to stop, and was rolled back.' });
    }
    const answer = alone.query("SELECT 1 AS one");
    await gateway.release("cutover", "shop");
    expect((await answer).rows).toEqual([{ one: 1 }]);
    await alone.end();
  });

  test("are not waited for where the cutover is given up", async () => {
    const client = await served.connect();
    await client.query("BEGIN");
    const abort = new AbortController();
    const paused = gateway.pause("cutover", drain({ timeout: 100_000, signal: abort.signal }), "shop").catch((error: unknown) => error);
    abort.abort(new Error("given up"));
    expect(await paused).toMatchObject({ message: "given up" });
    expect(pool()).toMatchObject({ paused: false });
    await client.query("COMMIT");
    await client.end();
  });
});

describe("the traffic of a cutover", () => {
  test("stops both names, and goes on where their servers are then", async () => {
    const routing = {
      side: "source" as "source" | "destination",
      warnings: () => Promise.resolve(["beware"]),
      inCharge: () => Promise.resolve(routing.side),
      switch: () => {
        routing.side = "destination";
        gateway.replaceDatabases([{ ...other, name: "shop" }, { ...shop, name: "other" }]);
        return Promise.resolve();
      },
    };
    const traffic = new GatewayTraffic(gateway, "shop", "other", routing);
    const clients = [await served.connect(), await served.connect({ database: "other" })];
    const names = async (): Promise<unknown[]> => (await Promise.all(clients.map((client) => client.query("SELECT current_database() AS name")))).flatMap(({ rows }) => rows as unknown[]);
    expect(await names()).toEqual([{ name: "shop" }, { name: "other" }]);
    expect((await traffic.processesOn(shop.shards[0]!.primary)).size).toBe(1);
    // One that cannot be drained lets both go on.
    await clients[1]!.query("BEGIN");
    await expect(traffic.pause(drain({ timeout: 50 }))).rejects.toMatchObject({ code: "CUTOVER_DRAIN_TIMEOUT" });
    await clients[1]!.query("COMMIT");
    expect(await names()).toEqual([{ name: "shop" }, { name: "other" }]);
    expect([await traffic.warnings(), await traffic.inCharge()]).toEqual([["beware"], "source"]);
    await traffic.pause(drain());
    const waiting = names();
    await until(() => pool("shop").cl_waiting + pool("other").cl_waiting === 2);
    await traffic.switch();
    expect(await traffic.inCharge()).toBe("destination");
    await traffic.resume();
    await traffic.resume();
    expect(await waiting).toEqual([{ name: "other" }, { name: "shop" }]);
    await Promise.all(clients.map((client) => client.end()));
  });
});

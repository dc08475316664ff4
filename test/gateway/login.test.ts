import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { promisify } from "node:util";
import type pg from "pg";
import postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { sslRequest, startupMessage } from "../../src/wire/frontend-messages.js";
import { addressOf, databaseOn, PASSWORD, secureContext, startGateway, type TestGateway, TLS, USER } from "../support/gateway.js";
import { startTestCluster } from "../support/cluster.js";
import { talk, until } from "../support/raw-client.js";
import { psqlPath } from "../support/psql.js";

const run = promisify(execFile);
let cluster: Cluster;
let open: TestGateway;
let secured: TestGateway;

beforeAll(async () => {
  cluster = await startTestCluster({ logins: "scram-sha-256" });
  const database = databaseOn("shop", addressOf(cluster, "postgres"));
  open = await startGateway([database, databaseOn("gone", addressOf(cluster, "not there"))]);
  secured = await startGateway([database], { accept: { tls: secureContext(), requireTls: true }, maxClients: 2 });
});

describe("a client logs in", () => {
  test("with its password, by SCRAM", async () => {
    const client = await open.connect({ application_name: "shop of tests" });
    const { rows } = await client.query<{ answer: number; name: string; encoding: string }>(
      "SELECT 40 + 2 AS answer, (SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS name, current_setting('client_encoding') AS encoding",
    );
    expect(rows).toEqual([{ answer: 42, name: "shop of tests", encoding: "UTF8" }]);
    await client.end();
  });

  test("with one of several passwords, or in the clear, or without", async () => {
    const several = await startGateway([databaseOn("shop", addressOf(cluster, "postgres"))], { accept: { passwordsOf: () => ["old", PASSWORD] } });
    const clear = await startGateway([databaseOn("shop", addressOf(cluster, "postgres"))], { accept: { method: "password", passwordsOf: () => ["old", PASSWORD] } });
    const trusting = await startGateway([databaseOn("shop", addressOf(cluster, "postgres"))], { accept: { method: "trust", passwordsOf: (user) => (user === USER ? [] : undefined) } });
    for (const gateway of [several, clear]) {
      for (const password of ["old", PASSWORD]) await (await gateway.connect({ password })).end();
      await expect(gateway.connect({ password: "new" })).rejects.toMatchObject({ code: "28P01", severity: "FATAL" });
    }
    await (await trusting.connect({ password: "" })).end();
    await expect(trusting.connect({ user: "somebody" })).rejects.toMatchObject({ code: "28000" });
  });

  test("or is told what is wrong in PostgreSQL's own codes", async () => {
    await expect(open.connect({ password: "wrong" })).rejects.toMatchObject({ code: "28P01", severity: "FATAL", message: `password authentication failed for user "${USER}"` });
    await expect(open.connect({ user: "nobody" })).rejects.toMatchObject({ code: "28P01", message: 'password authentication failed for user "nobody"' });
    await expect(open.connect({ database: "nowhere" })).rejects.toMatchObject({ code: "3D000", severity: "FATAL", message: 'database "nowhere" does not exist' });
    await expect(open.connect({ database: "gone" })).rejects.toMatchObject({ code: "3D000", message: 'database "not there" does not exist' });
    await expect(open.connect({ options: "-c no_such_setting=1" })).rejects.toMatchObject({ code: "42704" });
  });

  test("with another driver", async () => {
    const sql = postgres({ host: "127.0.0.1", port: open.port, user: USER, password: PASSWORD, database: "shop", max: 1, connection: { application_name: "other driver", search_path: "pg_catalog" } });
    expect(await sql`SELECT ${1} + 1 AS two, current_setting('search_path') AS path`).toEqual([{ two: 2, path: "pg_catalog" }]);
    await sql.end();
  });

  test.skipIf(psqlPath === undefined)("with psql", async () => {
    const environment = { ...process.env, PGPASSWORD: PASSWORD, PGOPTIONS: "-c work_mem=5MB", PGAPPNAME: "of psql" };
    const uri = (port: number, more = ""): string => `postgres://${USER}@127.0.0.1:${port}/shop?${more}`;
    const psql = async (port: number, text: string, more = ""): Promise<string> => (await run(psqlPath!, [uri(port, more), "-XAtc", text], { env: environment })).stdout.trim();
    expect(await psql(open.port, "SELECT current_setting('work_mem'), current_setting('application_name')")).toBe("5MB|of psql");
    expect(await psql(secured.port, "\\conninfo", "sslmode=verify-full&sslrootcert=" + new URL("../support/tls/certificate.pem", import.meta.url).pathname)).toContain("SSL connection");
    await expect(psql(secured.port, "SELECT 1", "sslmode=disable")).rejects.toMatchObject({ stderr: expect.stringContaining("has to connect with TLS") as unknown });
    await expect(run(psqlPath!, [uri(open.port), "-Xc", "SELECT 1"], { env: { ...environment, PGPASSWORD: "wrong" } })).rejects.toMatchObject({
      stderr: expect.stringContaining(`password authentication failed for user "${USER}"`) as unknown,
    });
  });
});

describe("TLS", () => {
  test("is used where the client asks for it, and its certificate can be checked", async () => {
    const client = await secured.connect({ ssl: { ca: TLS.certificate, rejectUnauthorized: true } });
    expect((await client.query<{ one: number }>("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    expect(secured.gateway.clientRows()).toMatchObject([{ tls: true, user: USER, database: "shop" }]);
    await client.end();
  });

  test("can begin without asking", async () => {
    const client = await secured.connect({ ssl: { ca: TLS.certificate }, sslnegotiation: "direct" });
    expect((await client.query<{ one: number }>("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  test("is asked for, and declined where there is none", async () => {
    await expect(secured.connect()).rejects.toMatchObject({ code: "28000", severity: "FATAL" });
    await expect(open.connect({ ssl: { rejectUnauthorized: false } })).rejects.toThrow("does not support SSL");
  });

  test("does not take in what was sent in the clear before it", async () => {
    const answer = await talk(secured.port, Buffer.concat([sslRequest(), startupMessage([["user", USER]])]));
    expect(answer.toString()).toContain("08P01");
  });
});

describe("limits", () => {
  test("of clients at a time", async () => {
    const ssl = { rejectUnauthorized: false };
    const clients = [await secured.connect({ ssl }), await secured.connect({ ssl })];
    await expect(secured.connect({ ssl })).rejects.toMatchObject({ code: "53300", message: "sorry, too many clients already" });
    await clients[0]!.end();
    await until(() => secured.gateway.clientRows().length === 1);
    await (await secured.connect({ ssl })).end();
    await clients[1]!.end();
  });

  test("of the time for a login", async () => {
    const hasty = await startGateway([databaseOn("shop", addressOf(cluster, "postgres"))], { accept: { loginTimeout: 50 } });
    const [silent, asked] = await Promise.all([talk(hasty.port, Buffer.alloc(0)), talk(hasty.port, startupMessage([["user", USER]]))]);
    expect(silent.length).toBe(0);
    expect(asked.toString()).toContain("57014");
  });

  test("replication connections are not served", async () => {
    await expect(open.connect({ replication: "database" } as pg.ClientConfig)).rejects.toMatchObject({ code: "0A000" });
  });

  test("a newer protocol is answered with the version that is spoken", async () => {
    const packet = startupMessage([["user", USER], ["_pq_.something", "1"]]);
    packet.writeUInt32BE((3 << 16) | 2, 4);
    const socket = connect(open.port, "127.0.0.1");
    socket.write(packet);
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    expect(answer.toString("latin1")).toMatch(/^v\0\0\0\x1b\0\0\0\0\0\0\0\x01_pq_\.something\0R/);
  });
});

describe("passwords", () => {
  test("are in no error and in no figure", async () => {
    const client = await open.connect();
    const shown = JSON.stringify([open.gateway.clientRows(), open.gateway.serverRows(), open.gateway.poolRows()]);
    expect(shown).toContain(USER);
    expect(shown).not.toContain(PASSWORD);
    expect(shown).not.toContain(cluster.password);
    const misconfigured = await startGateway([databaseOn("shop", addressOf(cluster, "postgres"))], { addressesFor: (_, { shards }) => shards.map(({ primary }) => ({ ...primary, password: "of another server" })) });
    const refused = await misconfigured.connect().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "08001", message: expect.stringContaining('refused the login of user "postgres"') as unknown });
    expect(JSON.stringify(refused, Object.getOwnPropertyNames(refused))).not.toContain("of another server");
    await client.end();
  });
});

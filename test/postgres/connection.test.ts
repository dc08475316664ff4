import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import type { ServerAddress } from "../../src/config/types.js";
import { connect, displayAddress, endQuietly } from "../../src/postgres/connection.js";
import { isRetryable } from "../../src/postgres/server-errors.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster({ logins: "scram-sha-256" });
const address: ServerAddress = { host: cluster.host, port: cluster.port, database: "postgres", user: cluster.user, password: cluster.password, sslmode: "disable" };

async function failure(overrides: Partial<ServerAddress>): Promise<unknown> {
  return await connect({ ...address, ...overrides }, { applicationName: "test" }).then(async (client) => {
    await client.end();
    return undefined;
  }, (error: unknown) => error);
}

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  return await new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const bound = server.address();
      server.close(() => { resolve(typeof bound === "object" && bound !== null ? bound.port : 0); });
    });
  });
}

describe("a connection that cannot be made says where and why, and never the password", () => {
  test.each<[string, Partial<ServerAddress>, string]>([
    ["wrong password", { password: "very secret" }, "LOGIN_REFUSED"],
    ["no password", { password: undefined }, "LOGIN_REFUSED"],
    ["unknown user", { user: "nobody" }, "LOGIN_REFUSED"],
    ["missing database", { database: "nowhere" }, "DATABASE_MISSING"],
  ])("%s", async (_, overrides, code) => {
    const server = displayAddress({ ...address, ...overrides });
    const error = await failure(overrides);
    expect(error).toMatchObject({ code, kind: "operator", place: { server }, message: expect.stringContaining(server) as string });
    expect(isRetryable(error)).toBe(false);
    expect(JSON.stringify([error, String(error)])).not.toContain("very secret");
  });

  test("nobody listens: may pass", async () => {
    const error = await failure({ port: await closedPort() });
    expect(error).toMatchObject({ code: "SERVER_UNREACHABLE", kind: "retry" });
    expect(isRetryable(error)).toBe(true);
  });

  test("a user who may not use replication", async () => {
    const client = await cluster.connect();
    await client.query("CREATE ROLE plain LOGIN PASSWORD 'p'");
    const error = await connect({ ...address, user: "plain", password: "p" }, { applicationName: "test", replication: true }).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "PRIVILEGE_MISSING", kind: "operator" });
  });
});

describe("TLS", () => {
  test("is not had from a server without it where it is required, and done without where it is preferred", async () => {
    expect(await failure({ sslmode: "require" })).toMatchObject({ code: "SERVER_UNREACHABLE", message: expect.stringContaining("SSL") as string });
    expect(await failure({ sslmode: "verify-full" })).toMatchObject({ code: "SERVER_UNREACHABLE" });
    expect(await failure({ sslmode: "prefer" })).toBeUndefined();
    expect(await failure({ sslmode: "prefer", password: "wrong" })).toMatchObject({ code: "LOGIN_REFUSED" });
  });
});

describe("a session", () => {
  test("has no time limits, fixed output formats and its name, whatever the server's defaults are", async () => {
    const admin = await cluster.connect();
    await admin.query("CREATE DATABASE odd");
    await admin.query("ALTER DATABASE odd SET statement_timeout = '1ms'; ALTER DATABASE odd SET DateStyle = 'German'; ALTER DATABASE odd SET bytea_output = 'escape'; ALTER DATABASE odd SET search_path = 'nowhere'; ALTER DATABASE odd SET jit = on");
    const client = await connect({ ...address, database: "odd" }, { applicationName: "named \\ here", parameters: { work_mem: "7MB", log_min_messages: "error" } });
    const { rows } = await client.query(
      `SELECT current_setting('statement_timeout') AS timeout, current_setting('lock_timeout') AS lock, current_setting('jit') AS jit, current_setting('DateStyle') AS dates, current_setting('bytea_output') AS bytea,
              current_setting('search_path') AS path, current_setting('application_name') AS name, current_setting('work_mem') AS memory, current_setting('TimeZone') AS zone,
              current_setting('default_transaction_read_only') AS read_only`,
    );
    expect(rows).toEqual([{ timeout: "0", lock: "0", jit: "off", dates: "ISO, YMD", bytea: "hex", path: "pg_catalog", name: "named \\ here", memory: "7MB", zone: "UTC", read_only: "off" }]);
    await client.end();
  });

  test("on the source refuses every write, also where it speaks the replication protocol", async () => {
    const admin = await cluster.connect();
    await admin.query("CREATE TABLE kept (id int); CREATE SEQUENCE s");
    for (const replication of [false, true]) {
      const client = await connect(address, { applicationName: "test", readOnly: true, replication });
      for (const write of ["INSERT INTO public.kept VALUES (1)", "CREATE TABLE public.more (id int)", "TRUNCATE public.kept", "SELECT nextval('public.s')"]) {
        await expect(client.query(write)).rejects.toMatchObject({ code: "25006" });
      }
      await client.end();
    }
    expect((await admin.query("SELECT FROM kept")).rowCount).toBe(0);
  });

  test("that the server ends does not end the process, and fails what comes next as passing trouble", async () => {
    const client = await connect(address, { applicationName: "to be ended" });
    const admin = await cluster.connect();
    const ended = new Promise<void>((resolve) => client.once("end", () => { resolve(); }));
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'to be ended'");
    await ended;
    const error = await client.query("SELECT 1").catch((cause: unknown) => cause);
    expect(isRetryable(error)).toBe(true);
    await endQuietly(client);
    await endQuietly(undefined);
  });
});

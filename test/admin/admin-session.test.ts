import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { promisify } from "node:util";
import fc from "fast-check";
import type pg from "pg";
import postgres from "postgres";
import { describe, expect, it } from "vitest";
import { bindMessage, closeMessage, describeMessage, executeMessage, flushMessage, parseMessage, queryMessage, syncMessage } from "../../src/wire/frontend-messages.js";
import { openServer, type ServerSession } from "../../src/wire/open-server.js";
import { ADMIN, idleGateway, startAdmin } from "../support/admin-database.js";

async function failure(work: Promise<unknown>): Promise<pg.DatabaseError> {
  return await work.then(() => { throw new Error("it succeeded"); }, (error: unknown) => error as pg.DatabaseError);
}

describe("with node-postgres", () => {
  it("answers simple and extended queries with typed columns", async () => {
    const client = await (await startAdmin()).connect();
    const help = await client.query<{ command: string }>("SHOW HELP;");
    expect(help.rows.map(({ command }) => command)).toContain("STOP_TASK task [DROP PROGRESS]");
    const tasks = await client.query("show tasks -- all of them");
    expect(tasks.command).toBe("SHOW");
    expect(tasks.fields.map(({ name, dataTypeID }) => `${name} ${dataTypeID}`).slice(0, 6)).toEqual(["id 20", "scope 25", "type 25", "status 25", "inner_status 25", "started_at 1184"]);
    expect((await client.query({ text: "SHOW ROUTES", values: [], name: "routes" })).rows).toEqual([
      { database: "prod", future: "refused", calls: "1", statement: "SELECT 2", reason: "it is" },
      { database: "prod", future: "one shard", calls: "5", statement: "SELECT $1", reason: null },
    ]);
    expect((await client.query({ text: "SHOW ROUTES", name: "routes" })).rowCount).toBe(null);
    expect((await client.query("STOP_TASK $1", [42])).rows).toEqual([{ stop_task: "task not found" }]);
    expect((await client.query("SELECT 1 AS one, now() AS now")).rows).toEqual([{ one: 1, now: expect.any(Date) as Date }]);
    expect(await client.query("SHOW VERSION; SELECT 2 AS two")).toMatchObject([{ rows: [{ version: "pg-reshard 0.1.0" }] }, { rows: [{ two: 2 }] }]);
    expect((await client.query("")).rows).toEqual([]);
    await client.end();
  });

  it("sends binary results where they are asked for", async () => {
    const client = await (await startAdmin()).connect();
    const { rows } = await client.query({ text: "SHOW ROUTES", values: [], binary: true } as pg.QueryConfig);
    expect(rows).toMatchObject([{ calls: "1" }, { calls: "5" }]);
    expect((await client.query({ text: "SELECT 7 AS seven, true AS yes, 'x' AS word, 1.5 AS half", values: [], binary: true } as pg.QueryConfig)).rows).toEqual([{ seven: 7, yes: true, word: "x", half: 1.5 }]);
    await client.end();
  });

  it("tells errors with state, place, code and remedy, and goes on", async () => {
    const client = await (await startAdmin()).connect();
    expect(await failure(client.query("SHOW TAKSS"))).toMatchObject({ code: "42601", severity: "ERROR", message: 'syntax error at or near "TAKSS"', position: "6", hint: expect.stringContaining("SHOW TASKS") as string });
    expect(await failure(client.query("RESHARD a b $1", [null]))).toMatchObject({ code: "22004" });
    expect(await failure(client.query("RESHARD a b c d e", []))).toMatchObject({ code: "42601", position: "17" });
    expect(await failure(client.query("CUTOVER"))).toMatchObject({ code: "55000", message: "task is not a replication task", detail: "pg-reshard error NOT_REPLICATING", hint: expect.stringContaining("SHOW TASKS") as string });
    expect(await failure(client.query("SELECT * FROM pg_class"))).toMatchObject({ code: "0A000" });
    expect(await failure(client.query("RESHARD a b c"))).toMatchObject({ code: "XX000", message: "no databases" });
    expect(await failure(client.query({ text: "SHOW TASKS; SHOW HELP", values: [1] }))).toMatchObject({ code: "42601" });
    expect((await client.query("SHOW TASKS")).rows).toEqual([]);
    await client.end();
  });

  it("has transaction blocks that fail as a whole", async () => {
    const client = await (await startAdmin()).connect();
    const notices: (string | undefined)[] = [];
    client.on("notice", ({ message }) => notices.push(message));
    await client.query("BEGIN");
    await client.query("RELOAD");
    expect(notices).toEqual(["one thing changed", "Commands of the admin database take effect at once: ROLLBACK does not take them back."]);
    await failure(client.query("nonsense"));
    expect(await failure(client.query("SHOW TASKS"))).toMatchObject({ code: "25P02" });
    expect((await client.query("COMMIT")).command).toBe("ROLLBACK");
    expect((await client.query("SHOW TASKS")).rows).toEqual([]);
    await client.end();
  });

  it("does what commands to the gateway say", async () => {
    const gateway = idleGateway();
    const client = await (await startAdmin(undefined, gateway)).connect();
    for (const command of ["MAINTENANCE ON", "maintenance off 'Prod'", "PAUSE Prod", "RESUME", "RELOAD"]) expect((await client.query(command)).rows).toEqual([]);
    await client.query("PAUSE $1", ["b; c"]);
    expect(gateway.calls).toEqual(["maintenance on all", "maintenance off Prod", "pause Prod", "resume all", "reload", "pause b; c"]);
    await client.end();
  });

  it("never shows a password", async () => {
    const configuration = { admin: ADMIN, databases: [{ name: "prod", host: "h", password: "s3cret" }], cutover: { resume_command: "psql postgres://me:s3cret@h/db" } };
    const client = await (await startAdmin(undefined, idleGateway(configuration))).connect();
    const { rows } = await client.query<{ name: string; value: string }>("SHOW CONFIG");
    expect(JSON.stringify(rows)).not.toMatch(/hunter2|s3cret/);
    expect(rows).toContainEqual({ name: "admin.password", value: "********" });
    await client.end();
  });
});

it("serves the driver `postgres`, which describes statements and prefers its own types", async () => {
  const { port } = await startAdmin();
  const sql = postgres({ host: "127.0.0.1", port, ...ADMIN, max: 1, onnotice: () => undefined });
  try {
    expect(await sql`SHOW ROUTES`).toMatchObject([{ calls: "1", future: "refused" }, { calls: "5" }]);
    expect([...await sql`STOP_TASK ${7}`]).toEqual([{ stop_task: "task not found" }]);
    expect([...await sql`SELECT 1 AS one, true AS yes`]).toEqual([{ one: 1, yes: true }]);
    await expect(sql`SHOW TASK`).rejects.toMatchObject({ code: "42601" });
    expect([...await sql.unsafe("SHOW VERSION")]).toEqual([{ version: "pg-reshard 0.1.0" }]);
  } finally {
    await sql.end();
  }
});

it.skipIf(spawnSync("psql", ["--version"]).status !== 0)("serves psql", async () => {
  const { port } = await startAdmin();
  const psql = async (...words: string[]): Promise<{ stdout: string; stderr: string }> =>
    await promisify(execFile)("psql", ["-X", "-h", "127.0.0.1", "-p", String(port), "-U", ADMIN.user, "-d", ADMIN.database, ...words], { env: { ...process.env, PGPASSWORD: ADMIN.password, PGCLIENTENCODING: "UTF8" } });
  expect((await psql("-At", "-c", "show version", "-c", "SELECT current_user")).stdout).toBe("pg-reshard 0.1.0\nadmin\n");
  const { stdout } = await psql("-x", "-c", "SHOW ROUTES");
  expect(stdout).toContain("-[ RECORD 1 ]");
  expect(stdout).toMatch(/future +\| refused/);
  await expect(psql("-c", "SHOW  TASK")).rejects.toMatchObject({ stderr: expect.stringMatching(/ERROR: {2}syntax error at or near "TASK"\nLINE 1: SHOW {2}TASK\n +\^\nHINT: {2}Did you mean SHOW TASKS\?/) as string });
});

describe("the extended protocol", () => {
  async function open(): Promise<ServerSession> {
    const { port } = await startAdmin();
    return await openServer({ host: "127.0.0.1", port, ...ADMIN, sslmode: "disable" }, { parameters: new Map(), timeout: 0 });
  }

  /** The types of the answers, up to ReadyForQuery or as many as come for a Flush. */
  async function answers({ stream }: ServerSession, count?: number): Promise<string> {
    let types = "";
    while (count === undefined ? !types.endsWith("Z") : types.length < count) types += String.fromCharCode((await stream.read())!.type);
    return types;
  }

  const parse = (text: string, name = ""): Buffer => parseMessage({ name, text, parameterTypes: [] });
  const bind = (statement = "", portal = "", values: (Buffer | null)[] = []): Buffer => bindMessage({ portal, statement, formats: [], values, resultFormats: [] });
  const execute = (maxRows = 0, portal = ""): Buffer => executeMessage({ portal, maxRows });

  it("sends rows piece by piece, ignores what follows an error, and forgets portals at Sync", async () => {
    const server = await open();
    const { stream } = server;
    await stream.write([parse("SHOW ROUTES", "r"), describeMessage({ kind: "statement", name: "r" }), bind("r", "p"), describeMessage({ kind: "portal", name: "p" }), execute(1, "p"), execute(5, "p"), execute(5, "p"), syncMessage]);
    expect(await answers(server)).toBe("1tT2TDsDCCZ");
    await stream.write([bind("none"), execute(), parse("SHOW TASKS"), syncMessage]);
    expect(await answers(server)).toBe("EZ");
    await stream.write([execute(0, "p"), syncMessage]);
    expect(await answers(server)).toBe("EZ");
    await stream.write([parse(" ; "), bind(), describeMessage({ kind: "portal", name: "" }), execute(), syncMessage]);
    expect(await answers(server)).toBe("12nIZ");
    await stream.write([parse("PAUSE $1"), describeMessage({ kind: "statement", name: "" }), bind("", "", [Buffer.from("x")]), execute(), flushMessage]);
    expect(await answers(server, 5)).toBe("1tn2C");
    await stream.write([closeMessage({ kind: "statement", name: "r" }), closeMessage({ kind: "portal", name: "gone" }), bind("r"), syncMessage]);
    expect(await answers(server)).toBe("33EZ");
    await stream.write([parse("SET application_name = 'x'"), bind(), execute(), syncMessage, queryMessage("BEGIN; SHOW ROUTES; COMMIT")]);
    expect((await answers(server)) + (await answers(server))).toBe("12SCZCTDDCCZ");
    await stream.end();
  });

  it("closes a session whose messages are broken, and that one only", async () => {
    const admin = await startAdmin();
    const other = await admin.connect();
    const server = async (): Promise<ServerSession> => await openServer({ host: "127.0.0.1", port: admin.port, ...ADMIN, sslmode: "disable" }, { parameters: new Map(), timeout: 0 });
    const valid = [queryMessage("SHOW TASKS"), parse("SHOW $1", "a"), bind("a", "b"), describeMessage({ kind: "portal", name: "b" }), execute(), syncMessage, closeMessage({ kind: "statement", name: "a" })];
    const piece = fc.oneof(fc.constantFrom(...valid), fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes)), fc.tuple(fc.constantFrom(...valid), fc.nat(), fc.nat(255)).map(([message, at, byte]) => {
      const broken = Buffer.from(message);
      broken[at % broken.length] = byte;
      return broken;
    }));
    await fc.assert(fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
      const { stream } = await server();
      await stream.write(pieces).catch(() => undefined);
      await stream.end();
      expect((await other.query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    }), { numRuns: 25 });
    await other.end();
  });

  it("refuses a wrong password before anything else", async () => {
    const admin = await startAdmin();
    expect(await failure(admin.connect({ password: "wrong" }))).toMatchObject({ code: "28P01" });
    const socket = connect(admin.port, "127.0.0.1");
    await once(socket, "connect");
    socket.destroy();
    expect((await (await admin.connect()).query("SHOW TASKS")).rows).toEqual([]);
  });
});

import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { ServerAddress } from "../../src/config/types.js";
import { systemBinaries } from "../../src/embedded/binaries.js";
import { bundledDump } from "../../src/pg-dump/bundled-dump.js";
import { dumpSchema } from "../../src/pg-dump/dump-schema.js";
import { nativeDump } from "../../src/pg-dump/native-dump.js";
import { pgDumpOnPath } from "../../src/pg-dump/pg-dump-on-path.js";
import { startTestCluster } from "../support/cluster.js";

const cluster = await startTestCluster();
const address = (database: string): ServerAddress => ({ host: cluster.host, port: cluster.port, database, user: cluster.user, password: cluster.password, sslmode: "prefer" });

await cluster.createDatabase("dump source");
const client = await cluster.connect("dump source");
await client.query(`CREATE SCHEMA "Größe ""L"""; CREATE TABLE "Größe ""L"""."select" (id bigserial PRIMARY KEY, "ü" text DEFAULT 'ß''\\');`);
await client.query("CREATE SUBSCRIPTION listening CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false)");
await client.query("CREATE SCHEMA reshard; CREATE TABLE reshard.progress (id int)");
// Longer than libpq's output buffer and the socket's chunks: the bridge has to put pieces together.
await client.query(`CREATE FUNCTION long_body() RETURNS text LANGUAGE sql AS $$ SELECT '${"é".repeat(300_000)}' $$`);
await client.query(`COMMENT ON FUNCTION long_body() IS '${"c".repeat(200_000)}'`);

describe("the bundled pg_dump", () => {
  it("dumps a live server", async () => {
    const sql = await bundledDump(address("dump source"));
    expect(sql).toContain(`CREATE TABLE "Größe ""L"""."select" (\n    id bigint NOT NULL,\n    "ü" text DEFAULT 'ß''\\'::text\n);`);
    expect(sql).toContain("é".repeat(300_000));
    expect(sql).toContain(`ADD CONSTRAINT select_pkey PRIMARY KEY (id)`);
    expect(sql).toContain("OWNER TO postgres");
    // Our own bookkeeping is not a part of the schema; a subscription is, in a superuser's dump.
    expect(sql).not.toContain("reshard");
    expect(sql).toContain("CREATE SUBSCRIPTION listening");
  });

  it("dumps several databases at once, and more after them", async () => {
    await cluster.createDatabase("another");
    const another = await cluster.connect("another");
    await another.query("CREATE TABLE only_here (id int)");
    for (let round = 0; round < 2; round++) {
      const [one, other] = await Promise.all([bundledDump(address("dump source")), bundledDump(address("another"))]);
      expect([one.includes("only_here"), other.includes("only_here"), other.includes("long_body")]).toEqual([false, true, false]);
    }
  });

  it("fails with pg_dump's own words", async () => {
    await cluster.createDatabase("forbidden");
    const admin = await cluster.connect("forbidden");
    await admin.query("CREATE TABLE secret (id int); CREATE ROLE guest LOGIN PASSWORD 'guest'");
    await expect(bundledDump({ ...address("forbidden"), user: "guest", password: "guest" })).rejects.toMatchObject({
      code: "PG_DUMP_FAILED",
      message: expect.stringContaining("permission denied for table secret") as string,
    });
  });

  it("says so when the connection is lost", async () => {
    await client.query("BEGIN; LOCK TABLE \"Größe \"\"L\"\"\".\"select\" IN ACCESS EXCLUSIVE MODE");
    const dump = bundledDump(address("dump source"));
    const lost = expect(dump).rejects.toMatchObject({ code: "CONNECTION_LOST", kind: "retry" });
    const watcher = await cluster.connect();
    for (let tries = 0; tries < 10_000; tries++) {
      const { rowCount } = await watcher.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg-reshard pg_dump' AND wait_event_type = 'Lock'");
      if (rowCount !== 0) break;
    }
    await lost;
    await client.query("ROLLBACK");
  });
});

describe("dumpSchema", () => {
  it("names the program that ran", async () => {
    const { program, sql } = await dumpSchema({ server: address("dump source") });
    expect(program).toMatch(/^pg_dump \d+\.\d+ \(/);
    expect(sql).toContain("CREATE TABLE");
  });

  it("uses the program it is given, and says when there is none", async () => {
    await expect(dumpSchema({ server: address("dump source"), pgDumpPath: "/nowhere/pg_dump" })).rejects.toMatchObject({ code: "PG_DUMP_MISSING" });
  });

  it("takes no pg_dump older than the server from PATH", async () => {
    expect(await pgDumpOnPath(1000)).toBeUndefined();
    expect(await pgDumpOnPath(1, "/nowhere")).toBeUndefined();
  });

  it("asks a pg_dump on PATH once for its version, and again when it is another one", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "pg-reshard-path-"));
    onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
    const program = path.join(folder, "pg_dump");
    const asked = (): number => readFileSync(path.join(folder, "asked"), "utf8").length;
    const install = (major: number, changed: Date): void => {
      writeFileSync(program, `#!/bin/sh\nprintf x >>'${folder}/asked'; echo 'pg_dump (PostgreSQL) ${major}.1'\n`, { mode: 0o755 });
      utimesSync(program, changed, changed);
    };
    install(15, new Date(2020, 0, 1));
    expect([await pgDumpOnPath(15, folder), await pgDumpOnPath(16, folder), asked()]).toEqual([program, undefined, 1]);
    install(18, new Date(2021, 0, 1));
    expect([await pgDumpOnPath(18, folder), asked()]).toEqual([program, 2]);
  });
});

const binaries = systemBinaries(15);
describe.runIf(binaries !== undefined)("an installed pg_dump 15", () => {
  it("refuses a newer server", async () => {
    await expect(nativeDump(`${binaries!.directory}/pg_dump`, address("dump source"))).rejects.toMatchObject({
      code: "PG_DUMP_FAILED",
      remedy: expect.stringContaining("at least as new") as string,
    });
  });

  it("dumps a server 15, and the bundled one dumps the same", async () => {
    const old = await startTestCluster({ binaries: binaries! });
    const source = await old.connect("postgres");
    await source.query("CREATE TABLE items (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tags text[] NOT NULL); CREATE INDEX items_tags ON items USING gin (tags)");
    const server: ServerAddress = { ...address("postgres"), port: old.port };
    const statements = (sql: string): string[] => sql.split("\n").filter((line) => line !== "" && !/^(--|SET |\\)/.test(line));
    const native = await dumpSchema({ server, pgDumpPath: `${binaries!.directory}/pg_dump` });
    expect(native.program).toMatch(/^pg_dump 15\.\d+ \(\//);
    expect(statements(await bundledDump(server))).toEqual(statements(native.sql));
  });
});

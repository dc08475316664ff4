import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { generatedSlot } from "../../src/pipelines/migration.js";
import { beginJournal } from "../../src/progress/journal.js";
import { createProgressTables } from "../../src/progress/progress-tables.js";
import { startTestCluster } from "../support/cluster.js";
import { recordedTerminal } from "./terminal.js";

let cluster: Cluster;
let directory: string;

interface Parts {
  readonly more?: string;
  readonly sources?: readonly string[];
  /** Logs in to the shards, with the cluster's password. */
  readonly shardUser?: string;
  readonly slot?: string;
}

function pipelineFile(name: string, shards: readonly string[], { more = "", sources = ["shop"], shardUser = cluster.user, slot }: Parts = {}): string {
  const file = path.join(directory, name);
  const databases = [...sources.map((database, shard) => ({ name: "shop", shard, database })), ...shards.map((database, shard) => ({ name: "sharded", shard, database }))];
  writeFileSync(
    file,
    [
      '[pipeline]\nfrom = "shop"\nto = "sharded"\npublication = "everything"',
      slot === undefined ? "" : `replication_slot = "${slot}"`,
      ...databases.map(({ name, shard, database }) => `[[databases]]\nname = "${name}"\nshard = ${shard}\nhost = "127.0.0.1"\nport = ${cluster.port}\ndatabase_name = "${database}"`),
      ...[["shop", cluster.user], ["sharded", shardUser]].map(([database, user]) => `[[users]]\nname = "${user}"\ndatabase = "${database}"\npassword = "${cluster.password}"\nschema_admin = true`),
      '[[sharded_tables]]\ndatabase = "sharded"\nname = "users"\ncolumn = "id"\ndata_type = "bigint"',
      '[[sharded_tables]]\ndatabase = "sharded"\nname = "orders"\ncolumn = "user_id"\ndata_type = "bigint"',
      '[[sharded_tables]]\ndatabase = "sharded"\nname = "items"\ncolumn = "id"\ndata_type = "bigint"',
      more,
    ].join("\n"),
  );
  return file;
}

async function check(...words: readonly string[]): Promise<{ code: number; objects: Record<string, unknown>[] }> {
  const terminal = recordedTerminal({ json: true });
  return { code: await runCommandLine(["check", ...words, "--json"], terminal), objects: terminal.objects() };
}

beforeAll(async () => {
  cluster = await startTestCluster({ logins: "scram-sha-256", settings: { max_replication_slots: 4 } });
  directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  for (const database of ["shop", "shop_1", "empty_0", "empty_1", "full"]) await cluster.createDatabase(database);
  const source = await cluster.connect("shop");
  await source.query(`
    CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE);
    CREATE TABLE orders (id bigint, user_id bigint NOT NULL REFERENCES users, PRIMARY KEY (user_id, id));
    CREATE TABLE items (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);
    CREATE PUBLICATION everything FOR ALL TABLES`);
  await (await cluster.connect("full")).query("CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1)");
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe("check", () => {
  it("reads the files alone, and asks no server", async () => {
    const { code, objects } = await check(pipelineFile("unasked.toml", ["nowhere"]));
    expect({ code, last: objects.at(-1) }).toMatchObject({ code: 0, last: { type: "result", command: "check", ok: true, problems: [] } });
  });

  it("tells every mistake of a file, with exit code 78", async () => {
    const { code, objects } = await check(pipelineFile("mistaken.toml", ["empty_0"], { more: '[general]\nresharding_copy_formt = "text"\nreshardin_parallel_copies = 2' }));
    expect(code).toBe(78);
    expect(objects.at(-1)!["problems"]).toHaveLength(2);
  });

  it("loads the operators, and shows the line of each mistake in what they are given", async () => {
    writeFileSync(path.join(directory, "mask-all.ts"), 'import { defineOperator, perRow } from "pg-reshard";\nimport { z } from "zod";\nexport default defineOperator({ name: "mask-all", options: z.strictObject({ column: z.string() }), create: ({ column }) => perRow({ writes: [column] }, (row) => ({ ...row, [column]: null })) });\n');
    const using = (options: string): string => `[[stages]]\ntype = "copy"\noperators = ["mails"]\n[operators.mails]\ntype = "./mask-all.ts"\n${options}`;
    const sound = recordedTerminal();
    expect(await runCommandLine(["check", pipelineFile("masked.toml", ["nowhere"], { more: using('column = "email"') })], sound)).toBe(0);
    expect(sound.written.out).toBe("shop (1 shard) to sharded (1 shard), through mails: the configuration has no mistakes. The servers were not asked (--connect).\n");
    const mistaken = pipelineFile("mis-masked.toml", ["nowhere"], { more: using('colum = "email"\ncolumn = 5') });
    const { code, objects } = await check(mistaken);
    expect({ code, last: objects.at(-1) }).toMatchObject({ code: 78, last: { code: "CONFIGURATION", problems: [{ code: "OPERATOR_OPTIONS", frame: expect.stringMatching(/ \| column = 5\n +\| {10}\^$/) as unknown }, { code: "OPERATOR_OPTIONS", suggestion: "column" }] } });
    const terminal = recordedTerminal();
    expect(await runCommandLine(["check", mistaken], terminal)).toBe(78);
    expect(terminal.written.err).toMatch(/mis-masked\.toml:\d+:1: \[operators\.mails\] has no option "colum", did you mean "column"\? \[OPERATOR_OPTIONS\]\n +\d+ \| colum = "email"\n +\| \^{5}\n/);
  });

  it("reads files that move no database", async () => {
    const file = path.join(directory, "flow.toml");
    writeFileSync(file, '[[stages]]\ntype = "command"\nrun = "true"\n');
    const { code, objects } = await check(file);
    expect({ code, last: objects.at(-1) }).toMatchObject({ code: 0, last: { ok: true, problems: [] } });
  });

  it("tells what the shards will lack, and changes nothing", async () => {
    const { code, objects } = await check(pipelineFile("sound.toml", ["empty_0", "empty_1"]), "--connect");
    expect({ code, last: objects.at(-1) }).toMatchObject({ code: 0, last: { ok: true, tables: 3, problems: [] } });
    const notes = objects.filter(({ type }) => type === "note").map(({ message }) => message as string).join("\n");
    // A user's items lie by the items' own key; orders are with their users.
    expect(notes).toContain("items_user_id_fkey (items goes by id, and has the id of users in user_id)");
    expect(notes).not.toContain("orders_user_id_fkey");
    expect(notes).toContain("users_email_key");
    await untouched("shop", "empty_0", "empty_1");
  });

  it("tells all that would stop a run, not only the first of it", async () => {
    const source = await cluster.connect("shop");
    await source.query("ALTER TABLE items REPLICA IDENTITY NOTHING");
    const file = pipelineFile("wrong.toml", ["empty_0", "gone", "full"]);
    const blind = await check(file, "--connect");
    expect(blind.code).toBe(1);
    expect(codes(blind.objects)).toEqual([expect.any(String), "REPLICA_IDENTITY_MISSING"]);
    await source.query("ALTER TABLE items REPLICA IDENTITY DEFAULT");
    const { code, objects } = await check(file, "--connect");
    expect(code).toBe(1);
    expect(codes(objects)).toEqual([expect.any(String), "DESTINATION_NOT_EMPTY"]);
    expect(objects.at(-1)).toMatchObject({ ok: false, tables: 3 });
    const terminal = recordedTerminal();
    await runCommandLine(["check", file, "--connect"], terminal);
    expect(terminal.written.out).toMatch(/^error \w+: .*\n[^]*remedy: [^]*\nerror DESTINATION_NOT_EMPTY: [^]*2 problems that would stop a run\.\n$/);
  });
});

describe("check asks what a run asks first:", () => {
  it("room for slots, shards of the source that are alike, standbys and privileges", async () => {
    await query("shop_1", "CREATE TABLE users (id bigint PRIMARY KEY); CREATE TABLE orders (id bigint, user_id bigint, PRIMARY KEY (user_id, id)); CREATE TABLE items (id bigint PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES");
    await query("empty_1", "CREATE ROLE guest LOGIN PASSWORD 'embedded'; REVOKE CREATE ON DATABASE empty_1 FROM PUBLIC");
    const replica = `[[databases]]\nname = "shop"\nshard = 0\nrole = "replica"\nhost = "127.0.0.1"\nport = ${cluster.port}\ndatabase_name = "shop"`;
    await query("shop", "SELECT pg_create_physical_replication_slot('taken_' || n) FROM generate_series(1, 3) AS n");
    const { code, objects } = await check(pipelineFile("much.toml", ["empty_1"], { sources: ["shop", "shop_1"], shardUser: "guest", more: replica }), "--connect");
    expect({ code, codes: codes(objects) }).toEqual({ code: 1, codes: ["REPLICA_IS_PRIMARY", "SOURCE_SHARDS_DIFFER", "NO_FREE_SLOT", "NO_FREE_SLOT", "PRIVILEGE_MISSING", "REPLICA_ROLE_REFUSED"] });
    await query("shop", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots");
    await untouched("empty_1");
  });

  it("whose the rows and slots are that are there, and whether a migration goes on as it began", async () => {
    const shards = ["full"];
    const file = pipelineFile("begun.toml", shards);
    const full = await cluster.connect("full");
    await createProgressTables(full);
    const began = async (id: string, slots: readonly string[]): Promise<void> => {
      await full.query("DELETE FROM reshard.migration");
      await beginJournal(full, { id, source: "shop", destination: "sharded", publication: "everything", slots });
    };
    await began("shop to others (everything)", ["other_0"]);
    await query("shop", `SELECT pg_create_logical_replication_slot('${generatedSlot("shop to sharded (everything)")}_0', 'pgoutput')`);
    expect(codes((await check(file, "--connect")).objects)).toEqual(["DESTINATION_NOT_EMPTY", "SLOT_EXISTS"]);
    await began("shop to sharded (everything)", ["own_0"]);
    expect(codes((await check(file, "--connect")).objects)).toEqual([]);
    await began("shop to sharded (everything)", ["own_0", "own_1"]);
    expect(codes((await check(file, "--connect")).objects)).toEqual(["SOURCE_SHARDS_CHANGED"]);
    await began("shop to sharded (everything)", ["own_0"]);
    expect(codes((await check(pipelineFile("slot.toml", shards, { slot: "other" }), "--connect")).objects)).toEqual(["SLOT_DIFFERS"]);
    await full.end();
  });
});

async function query(database: string, sql: string): Promise<void> {
  const client = await cluster.connect(database);
  await client.query(sql);
  await client.end();
}

async function untouched(...databases: readonly string[]): Promise<void> {
  for (const database of databases) {
    const client = await cluster.connect(database);
    const { rows } = await client.query("SELECT (SELECT count(*)::int4 FROM pg_namespace WHERE nspname = 'reshard') AS schemas, (SELECT count(*)::int4 FROM pg_replication_slots) AS slots");
    expect(rows).toEqual([{ schemas: 0, slots: 0 }]);
    await client.end();
  }
}

function codes(objects: readonly Record<string, unknown>[]): unknown[] {
  return (objects.at(-1)!["problems"] as { code: unknown }[]).map(({ code }) => code);
}

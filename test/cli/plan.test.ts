import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { recordedTerminal } from "./terminal.js";

let cluster: Cluster;
let directory: string;
let file: string;
let source: pg.Client;

beforeAll(async () => {
  cluster = await startTestCluster();
  directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  for (const database of ["shop", "shard_0", "shard_1"]) await cluster.createDatabase(database);
  source = await cluster.connect("shop");
  await source.query(`
    CREATE TABLE users (id bigint PRIMARY KEY, email text UNIQUE);
    CREATE TABLE orders (id bigint, user_id bigint NOT NULL REFERENCES users, PRIMARY KEY (user_id, id));
    CREATE TABLE countries (code text PRIMARY KEY);
    INSERT INTO users SELECT i, 'user' || i FROM generate_series(1, 5000) i;
    INSERT INTO orders SELECT i, i FROM generate_series(1, 1234) i;
    CREATE PUBLICATION everything FOR ALL TABLES`);
  await source.query("VACUUM ANALYZE");
  file = path.join(directory, "p.toml");
  writeFileSync(file, [
    '[pipeline]\nfrom = "shop"\nto = "sharded"\npublication = "everything"\nreplication_slot = "planned"',
    ...[["shop", 0, "shop"], ["sharded", 0, "shard_0"], ["sharded", 1, "shard_1"]].map(([name, shard, database]) => `[[databases]]\nname = "${name}"\nshard = ${shard}\nhost = "127.0.0.1"\nport = ${cluster.port}\ndatabase_name = "${database}"\nuser = "${cluster.user}"\npassword = "${cluster.password}"`),
    '[[sharded_tables]]\ndatabase = "sharded"\nname = "users"\ncolumn = "id"', '[[sharded_tables]]\ndatabase = "sharded"\nname = "orders"\ncolumn = "user_id"',
  ].join("\n"));
});
afterAll(() => { rmSync(directory, { recursive: true, force: true }); });

async function plan(...words: readonly string[]): Promise<{ code: number; out: string; objects: Record<string, unknown>[] }> {
  const terminal = recordedTerminal({ json: words.includes("--json") });
  const code = await runCommandLine(["plan", file, "--connect", ...words], terminal);
  return { code, out: terminal.written.out, objects: words.includes("--json") ? terminal.objects() : [] };
}

it("tells what each stage would do, and changes nothing", async () => {
  const { code, out } = await plan();
  expect(code).toBe(0);
  // Sizes are the server's.
  expect(out.replaceAll(/ *\d+(?:\.\d)? kB/g, " # kB").replaceAll(/about \d+ ms/g, "about # ms").replaceAll(/:\d{4,5}\//g, ":#/").replaceAll(/ +bytes/g, " bytes")).toBe(`shop (1 shard) to sharded (2 shards):
1  schema pre   8 statements on each of 2 shards
   4× owner, 3× table, 1× publication
2  copy         3 tables, 6,234 rows, # kB: about # ms at 45.0 MB/s
   slot planned_0 is made on 127.0.0.1:#/shop
   table      to            rows bytes
   users      key id       5,000 # kB
   orders     key user_id  1,234 # kB
   countries  every shard      0 # kB
3  schema post  5 statements on each of 2 shards
   3× analyze, 1× unique constraint, 1× foreign key
4  replicate    until all shards have what was committed until then
5  verify       3 tables, 6,234 rows, # kB, read on both sides
`);
  const { rows } = await source.query("SELECT slot_name AS made FROM pg_replication_slots UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'reshard'");
  expect(rows).toEqual([]);
  for (const database of ["shard_0", "shard_1"]) {
    const shard = await cluster.connect(database);
    expect((await shard.query("SELECT FROM pg_class WHERE relname IN ('users', 'journal', 'migration')")).rowCount).toBe(0);
    await shard.end();
  }
});

it("prints the SQL where it is asked to, and what programs read", async () => {
  const { out } = await plan("--sql");
  expect(out).toContain("\n-- schema_sync:pre\n");
  expect(out).toMatch(/CREATE TABLE public\.orders \(/);
  expect(out).toContain('COPY "public"."users" ("id", "email") TO STDOUT (FORMAT binary);');
  const { objects } = await plan("--json");
  expect(objects.at(-1)).toMatchObject({ type: "result", plan: { migration: "shop to sharded (everything)", begun: false, stages: [{ stage: "schema_sync:pre", done: false }, { stage: "copy", tables: [{ table: "users", to: "key id", rows: 5000, operators: [], format: "binary" }, {}, {}] }, {}, {}, {}] } });
});

it("tells what is done already, and that of a file that cannot be run", async () => {
  expect(await runCommandLine(["run", file], recordedTerminal())).toBe(0);
  const { out } = await plan();
  expect(out).toMatch(/^shop .*, begun already:\n1 {2}schema pre {3}done already\n2 {2}copy {9}done already\n3 {2}schema post {2}done already\n4 {2}replicate/);
  await source.query("DROP PUBLICATION everything");
  const { code, objects } = await plan("--json");
  expect(code).toBe(1);
  expect(objects.at(-1)).toMatchObject({ type: "error", code: "PUBLICATION_MISSING" });
});

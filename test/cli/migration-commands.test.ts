import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { startCommand } from "../support/cli.js";
import { recordedTerminal } from "./terminal.js";
import { moment } from "../support/moment.js";

/** One migration, driven by the commands in the order in which a person would use them; each test goes on from the last. */

const SHARDS = ["shard_0", "shard_1"];
let cluster: Cluster;
let directory: string;
let source: pg.Client;
let shards: pg.Client[];

function config(name: string, ports: { readonly shards: number }): string {
  const file = path.join(directory, name);
  const databases = [
    { name: "shop", shard: 0, port: cluster.port, database: "the shop" },
    ...SHARDS.map((database, shard) => ({ name: "sharded", shard, port: ports.shards, database })),
  ];
  writeFileSync(
    file,
    [
      ...databases.map(({ name, shard, port, database }) => `[[databases]]\nname = "${name}"\nshard = ${shard}\nhost = "127.0.0.1"\nport = ${port}\ndatabase_name = "${database}"`),
      '[[sharded_tables]]\ndatabase = "sharded"\nname = "users"\ncolumn = "id"\ndata_type = "bigint"',
      '[[sharded_tables]]\ndatabase = "sharded"\ncolumn = "user_id"\ndata_type = "bigint"',
    ].join("\n"),
  );
  return file;
}

beforeAll(async () => {
  cluster = await startTestCluster();
  directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  config("pgdog.toml", { shards: cluster.port });
  writeFileSync(path.join(directory, "users.toml"), `[[users]]\nname = "${cluster.user}"\ndatabases = ["shop", "sharded"]\npassword = "${cluster.password}"\nschema_admin = true\n`);
  for (const database of ["the shop", "scratch", ...SHARDS]) await cluster.createDatabase(database);
  source = await cluster.connect("the shop");
  await source.query(`
    CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users (id));
    CREATE INDEX orders_user_id_idx ON orders (user_id);
    CREATE TABLE countries (code text PRIMARY KEY);
    CREATE SEQUENCE invoices;
    INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 100) i;
    INSERT INTO orders SELECT i, 1 + i % 100 FROM generate_series(1, 300) i;
    INSERT INTO countries VALUES ('de'), ('us');
    CREATE PUBLICATION p FOR ALL TABLES`);
  shards = await Promise.all(SHARDS.map((database) => cluster.connect(database)));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

function words(command: string, publication = "p", file = "pgdog.toml"): string[] {
  const [name, ...flags] = command.split(" ");
  const files = ["--config", path.join(directory, file), "--users", path.join(directory, "users.toml")];
  return [...files, name!, "--from-database", "shop", "--to-database", "sharded", "--publication", publication, ...flags];
}

async function cli(command: string, publication?: string, file?: string): Promise<{ code: number; out: string; err: string }> {
  const terminal = recordedTerminal();
  return { code: await runCommandLine(words(command, publication, file), terminal), ...terminal.written };
}

async function result(command: string): Promise<Record<string, unknown>> {
  const terminal = recordedTerminal({ json: true });
  const code = await runCommandLine([...words(command), "--json"], terminal);
  expect(code).toBe(0);
  return terminal.objects().at(-1)!;
}

async function count(client: pg.Client, table: string): Promise<number> {
  return (await client.query<{ count: number }>(`SELECT count(*)::int4 AS count FROM ${table}`)).rows[0]!.count;
}

async function onShards(table: string): Promise<number> {
  const counts = await Promise.all(shards.map((shard) => count(shard, table)));
  return counts.reduce((sum, rows) => sum + rows, 0);
}

async function untilTrue(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await moment();
}

describe("a migration by commands", () => {
  it("begins with nothing", async () => {
    expect(await cli("status")).toEqual({ code: 0, out: "No migration to sharded has begun.\n", err: "" });
    expect(await cli("finish")).toMatchObject({ code: 0, out: "The journal knows no migration shop to sharded (p): there is no slot to drop.\n" });
  });

  it("shows the SQL of each phase, which psql could run, without asking the shards", async () => {
    config("unreachable.toml", { shards: 1 });
    const pre = await cli("schema-sync --dry-run", "p", "unreachable.toml");
    const post = await cli("schema-sync --dry-run --data-sync-complete", "p", "unreachable.toml");
    expect([pre.code, post.code]).toEqual([0, 0]);
    expect(pre.out).toContain("CREATE TABLE public.users");
    // Which pg_dump ran is said at the head.
    for (const { out } of [pre, post]) expect(out).toMatch(/^(-- .*\n)*-- Schema dumped with pg_dump \d+/);
    expect(pre.out).toContain("PRIMARY KEY (id)");
    expect(pre.out).not.toContain("orders_user_id_idx");
    expect(post.out).toContain("orders_user_id_idx");
    expect(post.out).toContain("FOREIGN KEY");
    const scratch = await cluster.connect("scratch");
    await scratch.query(pre.out);
    await scratch.query(post.out);
    expect(await count(scratch, "pg_indexes WHERE schemaname = 'public'")).toBe(4);
    expect(await count(shards[0]!, "pg_tables WHERE schemaname = 'public'")).toBe(0);
    expect((await result("schema-sync --dry-run"))["sql"]).toBe(pre.out);
  });

  it("refuses what is wrong before it changes anything", async () => {
    expect(await cli("schema-sync", "nope")).toMatchObject({ code: 1, err: expect.stringContaining("error PUBLICATION_MISSING: ") as string });
    expect(await cli("schema-sync", "p", "unreachable.toml")).toMatchObject({ code: 1, err: expect.stringContaining("error SERVER_UNREACHABLE: ") as string });
    expect(await count(shards[0]!, "pg_tables WHERE schemaname = 'public'")).toBe(0);
  });

  it("makes tables and primary keys on every shard, and does no harm a second time", async () => {
    expect(await cli("schema-sync")).toMatchObject({ code: 0, out: expect.stringMatching(/^Schema pre on 2 shards: \d+ statements run, 0 there already\.\n$/) as string });
    for (const shard of shards) expect(await count(shard, "pg_indexes WHERE schemaname = 'public'")).toBe(3);
    // Tables, their keys, the sequence and the publication.
    expect(await result("schema-sync")).toMatchObject({ type: "result", command: "schema-sync", ok: true, phase: "pre", failed: 0, present: SHARDS.length * (3 + 3 + 1 + 1) });
  });

  it("says INTERRUPTED and exits 1 when a copy is stopped", async () => {
    // The copy begins with TRUNCATE, which waits for this.
    await shards[0]!.query("BEGIN; LOCK TABLE orders IN SHARE MODE");
    const run = startCommand([...words("data-sync --sync-only --skip-schema-sync"), "--json"]);
    await run.first("copy-started");
    await untilTrue(async () => (await count(source, "pg_locks WHERE NOT granted")) > 0);
    run.child.kill("SIGINT");
    expect(await run.ended).toBe(1);
    expect(run.events.at(-1)).toMatchObject({ type: "error", code: "INTERRUPTED", remedy: expect.stringContaining("same command") as string });
    await shards[0]!.query("ROLLBACK");
  });

  it("copies, going on where it was stopped", async () => {
    const { code, err, out } = await cli("data-sync --sync-only --skip-schema-sync");
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(err).toContain("shop → sharded: 2 shards, publication p\n");
    // Whether the small tables came before the stop is left to chance; what is there is not copied again.
    expect(err).toMatch(/✓ copy {8}3 tables, 40[24] rows[^]* m?s\n$/);
    expect(await onShards("orders")).toBe(300);
  });

  it("tells how far it is, and of the slot that is left", async () => {
    const { code, out } = await cli("status");
    expect(code).toBe(0);
    expect(out).toMatch(/^shop to sharded \(p\)\n {2}phase {5}not running; last at copy\n/);
    expect(out).toContain("3 of 3 tables copied");
    expect(out).toMatch(/slot {6}reshard_\w+_0 on 127\.0\.0\.1:\d+\/the shop: not active, keeps .* of WAL/);
    expect(out).toContain("pg-reshard finish");
    expect(await result("status")).toMatchObject({
      migrations: [{ running: false, entry: { finishedStages: ["copy"] }, shards: [{ tablesCopied: 3 }, { tablesCopied: 3 }], sources: [{ tables: 3, lag: expect.any(Number) as number }] }],
    });
  });

  it("builds the rest of the schema", async () => {
    expect(await cli("schema-sync --data-sync-complete")).toMatchObject({ code: 0, out: expect.stringContaining("Schema post on 2 shards") as string });
    for (const shard of shards) expect(await count(shard, "pg_indexes WHERE schemaname = 'public'")).toBe(4);
  });

  it("compares the schemas, and exits 1 where anything differs that should not", async () => {
    const sound = await cli("diff");
    expect(sound.code).toBe(0);
    expect(sound.out).toMatch(/^shard 0 \(127\.0\.0\.1:\d+\/shard_0\): equal, \d+ objects\n {2}expected: validated once the shard has caught up \(1\)\nshard 1 /);
    await shards[1]!.query("ALTER TABLE users ALTER COLUMN name TYPE varchar(30); CREATE INDEX an_index_with_a_long_name_that_nobody_expects_here ON orders (user_id, id)");
    const { code, out } = await cli("diff");
    expect(code).toBe(1);
    expect(out).toContain("/shard_1): 2 differences\n");
    expect(out).toMatch(/^column public\.users\.name +type +text +character v…$/m);
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    const terminal = recordedTerminal({ json: true });
    expect(await runCommandLine([...words("diff"), "--json"], terminal)).toBe(1);
    expect(terminal.objects().at(-1)).toMatchObject({
      type: "result", command: "diff", ok: false,
      shards: [{ shard: 0 }, { shard: 1, differences: expect.arrayContaining([{ kind: "column", name: "public.users.name", what: "type", source: "text", shard: "character varying(30)" }]) as unknown }],
    });
    await shards[1]!.query("DROP INDEX an_index_with_a_long_name_that_nobody_expects_here; ALTER TABLE users ALTER COLUMN name TYPE text");
    expect((await cli("diff")).code).toBe(0);
  });

  it("streams until SIGTERM, which is no failure; meanwhile it can be asked but not finished", async () => {
    const run = startCommand([...words("data-sync --replicate-only"), "--json"]);
    await source.query("INSERT INTO users VALUES (101, 'late')");
    await untilTrue(async () => (await onShards("users")) === 101);
    expect((await cli("status")).out).toMatch(/phase {5}replicate, running\n[^]*: active, /);
    for (const command of ["finish", "schema-sync", "data-sync --until-caught-up"]) {
      expect(await cli(command)).toMatchObject({ code: 1, err: expect.stringContaining("error ALREADY_RUNNING: ") as string });
    }
    run.child.kill("SIGTERM");
    expect(await run.ended).toBe(0);
    expect(run.events.at(-1)).toMatchObject({ type: "result", command: "data-sync", ok: true });
  });

  it("goes on from there until it is in sync", async () => {
    await source.query("UPDATE users SET name = 'changed' WHERE id = 101; DELETE FROM orders WHERE id = 1");
    const { code, err } = await cli("data-sync --replicate-only --until-caught-up");
    expect(code).toBe(0);
    expect(err).toContain("in sync: all that was committed until now is on the shards");
    expect(await onShards("orders")).toBe(299);
    expect(await onShards("users WHERE name = 'changed'")).toBe(1);
  });

  it("verifies, and exits 1 where anything differs", async () => {
    const sound = await cli("verify");
    expect(sound.code).toBe(0);
    expect(sound.out).toMatch(/^table {6}sharding {5}source {2}shard 0 {2}shard 1 {2}equal\n/);
    expect(sound.out).toContain("3 tables, 402 rows: all equal, and every row is on its shard.\n");
    await shards[1]!.query("DELETE FROM countries WHERE code = 'us'");
    const { code, out } = await cli("verify");
    expect(code).toBe(1);
    expect(out).toContain("✗ countries: shard 1 has 1 row too few\n1 of 3 tables differs.\n");
  });

  it("moves sequences before the applications are switched, as it shows, and once", async () => {
    await source.query("SELECT setval('invoices', 500)");
    const shown = await cli("schema-sync --cutover --sequences interleaved --dry-run");
    expect(shown).toMatchObject({ code: 0, out: expect.stringMatching(/shard 0.*ALTER SEQUENCE "public"."invoices" INCREMENT BY 2;.*shard 1/s) as string });
    expect(await result("schema-sync --cutover")).toMatchObject({ command: "schema-sync", phase: "cutover", ran: 2, present: 0, failed: 0 });
    expect(await cli("schema-sync --cutover")).toMatchObject({ code: 0, out: "Schema cutover on 2 shards: 0 statements run, 2 there already.\n" });
    const drawn = await Promise.all(shards.map((shard) => shard.query<{ number: number }>("SELECT nextval('invoices')::int4 AS number")));
    expect(drawn.map(({ rows }) => rows[0]!.number).sort()).toEqual([1501, 1502]);
  });

  it("makes the way back ready, as it shows, and once", async () => {
    for (const shard of shards) await shard.query("DROP PUBLICATION p");
    expect(await cli("schema-sync --post-cutover --dry-run")).toMatchObject({ code: 0, out: expect.stringMatching(/post-cutover: shard 0.*\nCREATE PUBLICATION "p" .*shard 1/s) as string });
    expect(await result("schema-sync --post-cutover")).toMatchObject({ command: "schema-sync", phase: "post-cutover", ran: 2, failed: 0 });
    expect(await cli("schema-sync --post-cutover")).toMatchObject({ code: 0, out: expect.stringMatching(/^Schema post-cutover on 2 shards: 0 statements run, \d+ there already\.\n$/) as string });
  });

  it("finishes: the slot goes, once; the journal stays until its progress is dropped", async () => {
    expect(await cli("finish")).toMatchObject({ code: 0, out: expect.stringMatching(/^shop to sharded \(p\) is finished; dropped the slot reshard_\w+_0\.\n$/) as string });
    expect(await count(source, "pg_replication_slots")).toBe(0);
    expect((await cli("finish")).out).toBe("shop to sharded (p) is finished; its slot was gone already.\n");
    const { out } = await cli("status");
    expect(out).toContain("  phase     finished\n");
    expect(out).not.toContain("pg-reshard finish");
  });

  it("drops its progress, but not another migration's", async () => {
    await shards[0]!.query("INSERT INTO reshard.migration (id, source, destination, publication, slots, phase) VALUES ('other to sharded (q)', 'other', 'sharded', 'q', '[\"x_0\"]', 'copy')");
    expect((await cli("status")).out).toContain("\n\nother to sharded (q)\n  phase     not running; last at copy\n");
    const first = await result("finish --drop-progress");
    expect(first).toMatchObject({ known: true, keptFor: ["other to sharded (q)"], droppedProgress: [expect.stringMatching(/shard_1$/)] });
    expect(await count(shards[0]!, "reshard.migration")).toBe(1);
    expect(await count(shards[0]!, "reshard.table_progress")).toBe(0);
    await shards[0]!.query("DELETE FROM reshard.migration");
    expect(await result("finish --drop-progress")).toMatchObject({ known: false, keptFor: [], droppedProgress: [expect.stringMatching(/shard_0$/)] });
    expect(await result("finish --drop-progress")).toMatchObject({ known: false, droppedProgress: [] });
    for (const shard of shards) expect(await count(shard, "pg_namespace WHERE nspname = 'reshard'")).toBe(0);
  });
});

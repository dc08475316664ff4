import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { recordedTerminal } from "./terminal.js";

let cluster: Cluster;
let directory: string;

function pipelineFile(name: string, shards: readonly string[], more = ""): string {
  const file = path.join(directory, name);
  const databases = [{ name: "shop", shard: 0, database: "shop" }, ...shards.map((database, shard) => ({ name: "sharded", shard, database }))];
  writeFileSync(
    file,
    [
      '[pipeline]\nfrom = "shop"\nto = "sharded"\npublication = "everything"',
      ...databases.map(({ name, shard, database }) => `[[databases]]\nname = "${name}"\nshard = ${shard}\nhost = "127.0.0.1"\nport = ${cluster.port}\ndatabase_name = "${database}"`),
      `[[users]]\nname = "${cluster.user}"\ndatabases = ["shop", "sharded"]\npassword = "${cluster.password}"\nschema_admin = true`,
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
  cluster = await startTestCluster();
  directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  for (const database of ["shop", "empty_0", "empty_1", "full"]) await cluster.createDatabase(database);
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
    const { code, objects } = await check(pipelineFile("mistaken.toml", ["empty_0"], '[general]\nresharding_copy_formt = "text"\nreshardin_parallel_copies = 2'));
    expect(code).toBe(78);
    expect(objects.at(-1)!["problems"]).toHaveLength(2);
  });

  it("tells what the shards will lack, and changes nothing", async () => {
    const { code, objects } = await check(pipelineFile("sound.toml", ["empty_0", "empty_1"]), "--connect");
    expect({ code, last: objects.at(-1) }).toMatchObject({ code: 0, last: { ok: true, tables: 3, problems: [] } });
    const notes = objects.filter(({ type }) => type === "note").map(({ message }) => message as string).join("\n");
    // A user's items lie by the items' own key; orders are with their users.
    expect(notes).toContain("items_user_id_fkey (items goes by id, and has the id of users in user_id)");
    expect(notes).not.toContain("orders_user_id_fkey");
    expect(notes).toContain("users_email_key");
    for (const database of ["shop", "empty_0", "empty_1"]) {
      const client = await cluster.connect(database);
      const { rows } = await client.query("SELECT (SELECT count(*)::int4 FROM pg_namespace WHERE nspname = 'reshard') AS schemas, (SELECT count(*)::int4 FROM pg_replication_slots) AS slots");
      expect(rows).toEqual([{ schemas: 0, slots: 0 }]);
    }
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

function codes(objects: readonly Record<string, unknown>[]): unknown[] {
  return (objects.at(-1)!["problems"] as { code: unknown }[]).map(({ code }) => code);
}

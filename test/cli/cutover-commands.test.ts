import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { recordedTerminal } from "./terminal.js";

/** One pipeline with a cutover stage, driven by the commands in the order in which a person would use them; each test goes on from the last. */

let cluster: Cluster;
let directory: string;

beforeAll(async () => {
  cluster = await startTestCluster();
  directory = mkdtempSync(path.join(tmpdir(), "pg-reshard-test-"));
  for (const database of ["old", "new_0", "new_1"]) await cluster.createDatabase(database);
  await execute("old", "CREATE TABLE users (id bigserial PRIMARY KEY, name text); CREATE PUBLICATION p FOR ALL TABLES; INSERT INTO users (name) SELECT 'user ' || i FROM generate_series(1, 50) i");
  writeFileSync(path.join(directory, "side"), "old");
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function execute(database: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = await cluster.connect(database);
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const SIDE = (): string => readFileSync(path.join(directory, "side"), "utf8").trim();
const slots = async (): Promise<unknown[]> => (await execute("postgres", "SELECT database FROM pg_replication_slots ORDER BY 1")).map(({ database }) => database);

function pipelineFile(cutover: string): string {
  const file = path.join(directory, "p.toml");
  const database = (name: string, shard: number, own: string): string => `[[databases]]\nname = "${name}"\nshard = ${shard}\nhost = "127.0.0.1"\nport = ${cluster.port}\ndatabase_name = "${own}"\nuser = "${cluster.user}"\npassword = "${cluster.password}"`;
  const stages = ['type = "schema_sync"\nphase = "pre"', 'type = "copy"', 'type = "schema_sync"\nphase = "post"', 'type = "replicate"', 'type = "verify"', 'type = "cutover"'];
  writeFileSync(file, [
    '[pipeline]\nfrom = "old"\nto = "new"\npublication = "p"', database("old", 0, "old"), database("new", 0, "new_0"), database("new", 1, "new_1"),
    '[[sharded_tables]]\ndatabase = "new"\ncolumn = "id"', ...stages.map((stage) => `[[stages]]\n${stage}`), cutover,
  ].join("\n"));
  return file;
}

const COMMANDS = (): string => `[cutover]\ntraffic = "command"\nreverse = false\npause_command = "true"\nresume_command = "true"\nswitch_command = "echo $PG_RESHARD_TO > '${directory}/side'"\nin_charge_command = "cat '${directory}/side'"`;

async function cli(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const terminal = recordedTerminal();
  return { code: await runCommandLine(words, terminal), ...terminal.written };
}

describe("the commands of a cutover", () => {
  it("begin nothing where the traffic is another process's", async () => {
    const { code, err } = await cli("run", pipelineFile(""));
    expect(code).toBe(1);
    expect(err).toContain("error CUTOVER_NEEDS_GATEWAY");
    expect(await execute("new_0", "SELECT FROM pg_namespace WHERE nspname = 'reshard'")).toEqual([]);
  });

  it("move the applications, once", async () => {
    const file = pipelineFile(COMMANDS());
    expect(await cli("rollback", file)).toMatchObject({ code: 1, err: expect.stringContaining("error NOT_CUT_OVER") as string });
    const { code, err } = await cli("run", file);
    expect({ code, err }).toMatchObject({ code: 0, err: expect.stringMatching(/✓ new is in charge, applications waited \d+ ms\n/) as string });
    expect(SIDE()).toBe("new");
    expect(await slots()).toEqual(["new_0", "new_1"]);
    expect((await cli("status", file)).out).toMatch(/cutover {3}new took over (just now|.* ago), applications waited \d+ ms\n/);
    const again = await cli("run", file);
    expect(again).toMatchObject({ code: 0, err: expect.stringMatching(/✓ cutover\s+done before\n/) as string });
    await execute("new_0", "INSERT INTO users (name) SELECT 'later' FROM generate_series(1, 10)");
  });

  it("lead them back with what they wrote, and over again", async () => {
    const file = pipelineFile(COMMANDS());
    expect(await cli("rollback", file)).toMatchObject({ code: 0, out: "old is in charge again.\n" });
    expect(SIDE()).toBe("old");
    expect(await slots()).toEqual(["old"]);
    expect(await execute("old", "SELECT count(*)::int4 AS count FROM users WHERE name = 'later'")).toEqual([{ count: 10 }]);
    await execute("old", "INSERT INTO users (name) VALUES ('back'), ('back')");
    expect(await cli("run", file)).toMatchObject({ code: 0 });
    expect(SIDE()).toBe("new");
    const counts = await Promise.all(["new_0", "new_1"].map((database) => execute(database, "SELECT count(*)::int4 AS count FROM users WHERE name = 'back'")));
    expect(counts.reduce((sum, [row]) => sum + (row!["count"] as number), 0)).toBe(2);
  });

  it("end both ways", async () => {
    const { code, out } = await cli("finish", pipelineFile(COMMANDS()), "--drop-progress");
    expect(code).toBe(0);
    expect(out).toContain("old to new (p) is finished; its slot was gone already.");
    expect(out).toContain("new to old (p) is finished; dropped the slot");
    expect(await slots()).toEqual([]);
    expect(await execute("old", "SELECT FROM pg_namespace WHERE nspname = 'reshard'")).toEqual([]);
  });
});

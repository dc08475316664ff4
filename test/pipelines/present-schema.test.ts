import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { PipelineEvent } from "../../src/pipelines/events.js";
import { runSchemaSync } from "../../src/pipelines/run-schema-sync.js";
import { diffSchemas } from "../../src/pipelines/schema-diff.js";
import { startTestCluster } from "../support/cluster.js";
import { addressOf, hashed, makePipeline } from "../support/pipeline.js";

const SOURCE = `
  CREATE TABLE users (id serial PRIMARY KEY, name text DEFAULT 'x', age integer CHECK (age > 0));
  CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id integer REFERENCES users);
  CREATE INDEX orders_user ON orders (user_id);
  CREATE VIEW named AS SELECT id, name FROM users;
  CREATE VIEW counted AS SELECT u.id, u.name, count(*) FROM users u JOIN orders o ON o.user_id = u.id GROUP BY u.id;
  CREATE PUBLICATION everything FOR ALL TABLES`;

let cluster: Cluster;
let made = 0;
beforeAll(async () => {
  cluster = await startTestCluster();
  await database("source", SOURCE);
});

async function database(name: string, sql: string): Promise<void> {
  await cluster.createDatabase(name);
  await query(name, sql);
}

async function query(name: string, sql: string): Promise<void> {
  const client = await cluster.connect(name);
  await client.query(sql);
  await client.end();
}

async function shardWith(sql: string, more: readonly string[] = []): Promise<{ shard: string; sync: (phase: "pre" | "post" | "cutover", ignoreErrors?: boolean) => Promise<string[]>; differences: () => Promise<string[]> }> {
  const shard = `shard_${made++}`;
  await database(shard, sql);
  const pipeline = makePipeline({ from: addressOf({ cluster, database: "source" }), to: [shard, ...more].map((each) => addressOf({ cluster, database: each })), publication: "everything", sharding: { tables: [hashed("id", "bigint", { name: "users" })] } });
  return {
    shard,
    async sync(phase, ignoreErrors = false) {
      const events: PipelineEvent[] = [];
      await runSchemaSync({ pipeline, phase, ignoreErrors, signal: new AbortController().signal, report: (event) => events.push(event) });
      return events.flatMap((event) => (event.type === "note" ? [event.message] : []));
    },
    async differences() {
      const found = await diffSchemas(pipeline, () => undefined);
      return found.flatMap(({ differences }) => differences).map(({ kind, name, what, expected }) => `${kind} ${name} ${what}: ${expected ?? "unexpected"}`);
    },
  };
}

describe("what a shard has already", () => {
  it.each([
    ["a table without a column", "CREATE TABLE users (id bigint, name text)", "column public.users.age is missing"],
    ["a column of another type", "CREATE TABLE users (id bigint, name varchar(9), age integer)", "column public.users.name, type:\n  source: text\n  shard:  character varying(9)"],
    ["another view", "CREATE VIEW named AS SELECT 1 AS id, 'x' AS name", "view public.named, definition:"],
    ["a table of its own for a view", "CREATE TABLE unrelated (a integer); CREATE VIEW named AS SELECT a AS id FROM unrelated", "view public.named, definition:"],
    ["another key, which is made after the tables", "CREATE TABLE users (id bigint, name text CONSTRAINT users_pkey PRIMARY KEY, age integer)", "primary key users_pkey on public.users, definition:"],
    ["another publication", "CREATE PUBLICATION everything", "publication everything, all tables:\n  source: yes\n  shard:  none"],
  ])("is refused where it is %s, and nothing is changed", async (_, sql, message) => {
    const { shard, sync } = await shardWith(sql);
    await expect(sync("pre")).rejects.toMatchObject({ code: "SCHEMA_DIFFERS", kind: "operator", message: expect.stringContaining(message) as string });
    await query(shard, "CREATE TABLE orders ()");
  });

  it("is refused by the phase that would make it; with ignoreErrors it is told of and left", async () => {
    const { shard, sync, differences } = await shardWith("");
    await sync("pre");
    await query(shard, "CREATE INDEX orders_user ON orders (user_id, id); ALTER TABLE users ADD CONSTRAINT users_age_check2 CHECK (age > 1)");
    await sync("pre");
    await expect(sync("post")).rejects.toMatchObject({ code: "SCHEMA_DIFFERS", message: expect.stringMatching(/index orders_user on public\.orders, definition:\n {2}source: .*\(user_id\)\n {2}shard: {2}.*\(user_id, id\)$/) as string });
    expect(await sync("post", true)).toContainEqual(expect.stringMatching(/index orders_user on public\.orders, definition: .*; it is left as it is\.$/));
    expect((await differences()).filter((line) => line.endsWith("unexpected"))).toEqual(["index orders_user on public.orders definition: unexpected", "check constraint users_age_check2 on public.users extra: unexpected"]);
  });

  it("is taken as it is where only columns of its own, another order or owners differ", async () => {
    const { sync } = await shardWith("CREATE TABLE users (more text, age integer, name text, id bigint NOT NULL); ALTER TABLE users OWNER TO pg_monitor");
    await sync("pre");
    await sync("post");
  });

  it("may be what the cutover made of it", async () => {
    await database("beside", "");
    const { sync, differences } = await shardWith("", ["beside"]);
    for (const phase of ["pre", "post", "cutover"] as const) await sync(phase);
    const found = await differences();
    expect(found.filter((line) => line.endsWith("unexpected"))).toEqual([]);
    expect(found).toContain("column public.users.id default: shared among the shards at cutover");
    for (const phase of ["pre", "post"] as const) await sync(phase);
  });
});

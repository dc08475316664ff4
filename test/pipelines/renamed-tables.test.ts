import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Pipeline } from "../../src/config/types.js";
import { type Random, seededRandom } from "../../src/demo/random.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { operatorEntry } from "../support/operator-entry.js";
import { addressOf, hashed, makePipeline, rowStages, runToEnd, standardStages } from "../support/pipeline.js";
import { rowTexts } from "../support/row-texts.js";
import { newShards } from "../support/shop.js";

/* Tables that the shards have under other names, with columns of other names: every stage finds them on both sides. */

const SOURCE = `
  CREATE TABLE users (id int PRIMARY KEY, mail text, note text, extra text, tenant bigint NOT NULL);
  ALTER TABLE users ALTER note SET STORAGE EXTERNAL;
  CREATE SCHEMA old; CREATE TABLE old.orders (part int, tenant bigint, mail text NOT NULL, PRIMARY KEY (tenant, part));
  CREATE TABLE kinds (id int PRIMARY KEY, name text);
  CREATE PUBLICATION everything FOR ALL TABLES`;
/** Columns in another order too; and one that is called as a column of the source was. */
const SHARD = `
  CREATE TABLE people (owner bigint NOT NULL, email text, note text, person int PRIMARY KEY, extra text, id text DEFAULT 'of the shard');
  CREATE SCHEMA new; CREATE TABLE new.orders (owner bigint, part int, mail text NOT NULL, PRIMARY KEY (owner, part));
  CREATE TABLE kinds (id int PRIMARY KEY, name text)`;

const OPERATORS = [
  operatorEntry("people", "rename", { table: "people", columns: { id: "person", mail: "email", tenant: "owner" } }, ["users"]),
  operatorEntry("orders", "rename", { schema: "new", columns: { tenant: "owner" } }, ["old.orders"]),
  operatorEntry("hidden", "mask", { key: "a key of sixteen characters", columns: { email: "email" } }, ["users"]),
];

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});

async function databases(name: string): Promise<{ pipeline: Pipeline; source: pg.Client; shards: pg.Client[] }> {
  await cluster.createDatabase(name);
  const places = await newShards(cluster, `${name}_shard`, 2);
  const source = await cluster.connect(name);
  await source.query(SOURCE);
  const shards = await Promise.all(places.map(({ database }) => cluster.connect(database)));
  for (const shard of shards) await shard.query(SHARD);
  const pipeline = makePipeline({
    from: addressOf({ cluster, database: name }), to: places.map((each) => addressOf(each)), publication: "everything",
    // Rules are about the destination's tables.
    sharding: { tables: [hashed("owner", "bigint", { name: "people" }), hashed("owner", "bigint")] }, stages: rowStages, operators: OPERATORS,
  });
  return { pipeline, source, shards };
}

async function write(source: pg.Client, random: Random, changes: number): Promise<void> {
  for (let change = 0; change < changes; change++) {
    const [id, tenant] = [random.integer(1, 40), random.integer(1, 9)];
    await source.query(random.pick([
      `INSERT INTO users (id, mail, note, tenant) VALUES (${id}, 'mail${id}@x.example', repeat('n${id} ', 1000), ${tenant}) ON CONFLICT (id) DO UPDATE SET tenant = EXCLUDED.tenant`,
      `UPDATE users SET mail = 'other${random.integer(1, 9)}@x.example' WHERE id = ${id}`,
      `UPDATE users SET tenant = ${tenant} WHERE id = ${id}`,
      `UPDATE users SET id = ${id + 100} WHERE id = ${id} AND NOT EXISTS (SELECT FROM users WHERE id = ${id + 100})`,
      `DELETE FROM users WHERE id = ${id}`,
      `INSERT INTO old.orders VALUES (${id}, ${tenant}, 'a@b.example') ON CONFLICT DO NOTHING`,
      `UPDATE old.orders SET tenant = ${tenant}, part = ${id} WHERE part = ${random.integer(1, 40)} AND NOT EXISTS (SELECT FROM old.orders WHERE tenant = ${tenant} AND part = ${id}) AND part IN (SELECT part FROM old.orders GROUP BY part HAVING count(*) = 1)`,
      `DELETE FROM old.orders WHERE part = ${id}`,
      `INSERT INTO kinds VALUES (${id}, 'kind') ON CONFLICT (id) DO UPDATE SET name = kinds.name || '.'`,
      random.integer(1, 40) === 1 ? "TRUNCATE old.orders" : "DELETE FROM kinds WHERE id = 1",
    ]));
  }
}

async function checkEqual({ source, shards }: { source: pg.Client; shards: readonly pg.Client[] }): Promise<void> {
  const people = await rowTexts([source], "SELECT id, tenant, md5(note), mail IS NULL FROM users");
  expect(people.length).toBeGreaterThan(3);
  expect(await rowTexts(shards, "SELECT person, owner, md5(note), email IS NULL FROM people")).toEqual(people);
  expect(await rowTexts(shards, "SELECT part, owner, mail FROM new.orders")).toEqual(await rowTexts([source], "SELECT part, tenant, mail FROM old.orders"));
  for (const shard of shards) expect(await rowTexts([shard], "SELECT * FROM kinds")).toEqual(await rowTexts([source], "SELECT * FROM kinds"));
  const mails = new Set(await rowTexts([source], "SELECT mail FROM users WHERE mail IS NOT NULL"));
  for (const mail of await rowTexts(shards, "SELECT email FROM people WHERE email IS NOT NULL")) expect(mails).not.toContain(mail);
}

it.each(["binary", "text"] as const)("are copied, streamed and compared under writers, in %s", async (format) => {
  const { pipeline: made, source, shards } = await databases(`renamed_${format}`);
  const pipeline = { ...made, general: { ...made.general, reshardingCopyFormat: format } };
  const random = seededRandom(format.length);
  await write(source, random, 200);
  const writing = write(source, random, 200);
  await runToEnd(pipeline);
  await writing;
  // A column goes while changes wait that have it.
  await write(source, random, 100);
  await source.query("UPDATE users SET extra = 'more'; ALTER TABLE users DROP COLUMN extra");
  for (const shard of shards) await shard.query("ALTER TABLE people DROP COLUMN extra");
  await write(source, random, 100);
  const { verdicts } = await runToEnd(pipeline);
  expect(verdicts.map(({ table, sharding, equal, misplaced }) => [table, sharding, equal, misplaced])).toEqual([
    ["kinds", "omnisharded", true, 0], ["old.orders", "key owner", true, 0], ["users", "key owner", true, 0],
  ]);
  await checkEqual({ source, shards });
  await shards[0]!.query("UPDATE people SET email = 'x' WHERE person = (SELECT min(person) FROM people)");
  expect((await runToEnd({ ...pipeline, stages: [{ type: "verify" }] })).verdicts.filter(({ equal }) => !equal).map(({ table }) => table)).toEqual(["users"]);
  await Promise.all([source, ...shards].map((client) => client.end()));
});

describe("are refused", () => {
  let pipeline: Pipeline;
  let shards: pg.Client[];
  beforeAll(async () => {
    const made = await databases("refused");
    ({ pipeline, shards } = made);
    await made.source.end();
  });
  const refusal = async (changed: Partial<Pipeline>): Promise<unknown> => await runToEnd({ ...pipeline, ...changed }).then(() => "done", (error: unknown) => error);

  it("where a stage would make or change tables under the source's names", async () => {
    expect(await refusal({ stages: standardStages })).toMatchObject({ code: "OPERATOR_RENAMES", message: expect.stringContaining("schema_sync") as unknown });
    expect(await refusal({ onDdl: "apply" })).toMatchObject({ code: "OPERATOR_RENAMES", message: expect.stringContaining("on_ddl") as unknown });
  });

  it("where two tables would become one", async () => {
    expect(await refusal({ operators: [operatorEntry("r", "rename", { table: "kinds" }, ["users"])] })).toMatchObject({ code: "OPERATOR_RENAMES", message: "kinds and users would both be kinds." });
  });

  it("where the shards lack the table, or a column of it, or have rows in it", async () => {
    await shards[0]!.query("ALTER TABLE people RENAME owner TO tenant");
    expect(await refusal({})).toMatchObject({ code: "SCHEMA_DIFFERS", message: expect.stringContaining("people.owner is missing") as unknown });
    await shards[0]!.query("ALTER TABLE people RENAME tenant TO owner; INSERT INTO people VALUES (1, 'a', 'b', 1)");
    expect(await refusal({ to: { ...pipeline.to, name: "again" }, slot: "again" })).toMatchObject({ code: "DESTINATION_NOT_EMPTY", message: expect.stringContaining("people") as unknown });
  });
});

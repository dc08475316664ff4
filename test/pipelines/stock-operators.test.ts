import type pg from "pg";
import { beforeAll, expect, it } from "vitest";
import type { OperatorEntry, Pipeline } from "../../src/config/types.js";
import { seededRandom } from "../../src/demo/random.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { operatorEntry } from "../support/operator-entry.js";
import { addressOf, eventsOf, hashed, makePipeline, rowStages, runToEnd } from "../support/pipeline.js";
import { newShards } from "../support/shop.js";

/* Every stock operator on a copy with changes during it and after it, as a pipeline file names them; and what the shards hold in the end. */

const KEY = "a key of sixteen characters";
const SCHEMA = `
  CREATE TYPE mood AS ENUM ('glad', 'sad');
  CREATE TABLE people (id int PRIMARY KEY, tenant int NOT NULL, email text, phone text, name text, note text, born date, mood mood, amount numeric);
  CREATE TABLE letters (id int PRIMARY KEY, tenant int NOT NULL, email text, body text);
  CREATE TABLE visits (id int PRIMARY KEY, person int NOT NULL, tenant int NOT NULL);
  CREATE TABLE codes (code text PRIMARY KEY, tenant int NOT NULL);`;

const OPERATORS = [
  operatorEntry("gently", "throttle", { bytes_per_second: 50_000_000 }),
  operatorEntry("all", "tap", {}),
  operatorEntry("some", "filter", { where: "tenant <> 3 AND (mood IS NULL OR mood = 'glad') AND (amount < 500 OR born IS NOT NULL)" }, ["people"]),
  operatorEntry("few", "sample", { fraction: 0.5, by: "person" }, ["visits"]),
  operatorEntry("hidden", "mask", { key: KEY, columns: { email: "email", phone: "digits", name: "hash", note: "null" } }, ["people"]),
  operatorEntry("letters", "mask", { key: KEY, columns: { email: "email", body: { constant: "…" } } }, ["letters"]),
  operatorEntry("codes", "mask", { key: KEY, columns: { code: "digits" } }, ["codes"]),
  operatorEntry("there", "route", { shard: 1 }, ["letters"]),
];

let cluster: Cluster;
let source: pg.Client;
let shards: pg.Client[];
let pipeline: Pipeline;

beforeAll(async () => {
  cluster = await startTestCluster();
  await cluster.createDatabase("source");
  const places = await newShards(cluster, "shard", 2);
  source = await cluster.connect("source");
  await source.query(`${SCHEMA} CREATE PUBLICATION everything FOR ALL TABLES`);
  shards = await Promise.all(places.map(({ database }) => cluster.connect(database)));
  for (const shard of shards) await shard.query(SCHEMA);
  pipeline = {
    ...makePipeline({ from: addressOf({ cluster, database: "source" }), to: places.map((each) => addressOf(each)), publication: "everything", sharding: { tables: [hashed("code", "varchar", { name: "codes" }), hashed("tenant", "bigint")] }, stages: rowStages }),
    operators: OPERATORS,
  };
});

async function write(seed: number, changes: number): Promise<void> {
  const random = seededRandom(seed);
  const text = (prefix: string): string => random.pick(["NULL", `'${prefix}${random.integer(1, 30)}'`]);
  for (let change = 0; change < changes; change++) {
    const [id, tenant] = [random.integer(1, 60), random.integer(1, 5)];
    const email = random.pick(["NULL", `'user.${random.integer(1, 20)}@mail${random.integer(1, 3)}.example'`]);
    await source.query(random.pick([
      `INSERT INTO people VALUES (${id}, ${tenant}, ${email}, ${text("+49 (0) 170 555-")}, ${text("name ")}, 'note', ${random.pick(["NULL", "'1970-01-01'"])}, ${random.pick(["NULL", "'glad'", "'sad'"])}, ${random.integer(1, 1000)}.5) ON CONFLICT (id) DO UPDATE SET tenant = EXCLUDED.tenant, mood = EXCLUDED.mood, amount = EXCLUDED.amount, email = EXCLUDED.email`,
      `UPDATE people SET phone = ${text("0170/")}, tenant = ${tenant} WHERE id = ${id}`,
      `DELETE FROM people WHERE id = ${id} AND ${random.integer(1, 3)} = 1`,
      `INSERT INTO letters VALUES (${id}, ${tenant}, ${email}, 'secret') ON CONFLICT (id) DO UPDATE SET tenant = EXCLUDED.tenant, email = EXCLUDED.email`,
      `INSERT INTO visits VALUES (${id}, ${random.integer(1, 20)}, ${tenant}) ON CONFLICT (id) DO UPDATE SET person = EXCLUDED.person`,
      `DELETE FROM visits WHERE id = ${id}`,
      `INSERT INTO codes VALUES ('code ' || ${random.integer(100, 140)}, ${tenant}) ON CONFLICT (code) DO UPDATE SET tenant = EXCLUDED.tenant`,
      `UPDATE codes SET code = 'code ' || ${random.integer(141, 160)} WHERE code = 'code ' || ${random.integer(100, 140)} AND NOT EXISTS (SELECT FROM codes WHERE code > 'code 140')`,
      `DELETE FROM codes WHERE code = 'code ' || ${random.integer(100, 160)}`,
    ]));
  }
}

async function rows<T extends pg.QueryResultRow>(clients: readonly pg.Client[], text: string): Promise<T[]> {
  return (await Promise.all(clients.map(async (client) => (await client.query<T>(text)).rows))).flat();
}

it("agree with themselves on the final rows, and do what they say", async () => {
  await write(1, 400);
  const writing = write(2, 300);
  const first = await runToEnd(pipeline);
  await writing;
  await write(3, 300);
  const { verdicts, events } = await runToEnd(pipeline);
  expect(verdicts.filter(({ equal, misplaced }) => !equal || misplaced > 0)).toEqual([]);
  const total = async (table: string): Promise<number> => Number((await source.query<{ count: string }>(`SELECT count(*) FROM ${table}`)).rows[0]!.count);

  // filter
  const kept = "SELECT id, tenant, born::text, mood::text, amount::text FROM people";
  const expected = await rows<{ id: number }>([source], `${kept} WHERE tenant <> 3 AND (mood IS NULL OR mood = 'glad') AND (amount < 500 OR born IS NOT NULL)`);
  const byId = (a: { id: number }, b: { id: number }): number => a.id - b.id;
  expect((await rows<{ id: number }>(shards, kept)).sort(byId)).toEqual(expected.sort(byId));
  expect(expected.length).toBeGreaterThan(0);
  expect(expected.length).toBeLessThan(await total("people"));

  // mask: nothing of the source's is there, and what was equal is equal, in every table.
  const plain = new Map((await rows<{ id: number; email: string | null; phone: string | null; name: string | null }>([source], "SELECT id, email, phone, name FROM people")).map((row) => [row.id, row]));
  const masked = await rows<{ id: number; email: string | null; phone: string | null; name: string | null; note: string | null }>(shards, "SELECT id, email, phone, name, note FROM people");
  const emails = new Map<string, string>();
  for (const row of masked) {
    const before = plain.get(row.id)!;
    expect(row.note).toBe(null);
    for (const column of ["email", "phone", "name"] as const) {
      expect(row[column] === null).toBe(before[column] === null);
      if (row[column] !== null) expect(row[column]).not.toBe(before[column]);
    }
    if (row.phone !== null) expect(row.phone.replaceAll(/\d/g, "0")).toBe(before.phone!.replaceAll(/\d/g, "0"));
    if (row.email !== null) {
      expect(emails.get(before.email!) ?? row.email).toBe(row.email);
      emails.set(before.email!, row.email);
    }
  }
  const letters = new Map((await rows<{ id: number; email: string | null }>([source], "SELECT id, email FROM letters")).map(({ id, email }) => [id, email]));
  // route: all on one shard.
  expect(await rows([shards[0]!], "SELECT id FROM letters")).toEqual([]);
  const there = (await shards[1]!.query<{ id: number; email: string | null; body: string }>("SELECT * FROM letters")).rows;
  expect(there).toHaveLength(letters.size);
  let both = 0;
  for (const { id, email, body } of there) {
    expect(body).toBe("…");
    const masked = emails.get(letters.get(id) ?? "");
    if (masked === undefined) continue;
    both++;
    expect(email).toBe(masked);
  }
  expect(both).toBeGreaterThan(0);

  // sample: whole families, some of them.
  const visits = await rows<{ person: number; count: string }>(shards, "SELECT person, count(*) FROM visits GROUP BY 1");
  const families = new Map((await rows<{ person: number; count: string }>([source], "SELECT person, count(*) FROM visits GROUP BY 1")).map(({ person, count }) => [person, Number(count)]));
  const found = new Map<number, number>();
  for (const { person, count } of visits) found.set(person, (found.get(person) ?? 0) + Number(count));
  for (const [person, count] of found) expect(count).toBe(families.get(person));
  expect(found.size).toBeGreaterThan(0);
  expect(found.size).toBeLessThan(families.size);

  // A masked key: as many rows, none of the source's.
  const codes = await rows<{ code: string }>(shards, "SELECT code FROM codes");
  expect(codes).toHaveLength(await total("codes"));
  expect(new Set(codes.map(({ code }) => code)).size).toBe(codes.length);

  // tap
  const figures = [...eventsOf(first.events, "operator-figures"), ...eventsOf(events, "operator-figures")].filter(({ operator }) => operator === "all");
  expect(Math.max(...figures.map(({ figures: { rows: counted } }) => counted ?? 0))).toBeGreaterThan(100);
});

it("that name what is not there are refused before anything is made", async () => {
  const withOperators = (...operators: OperatorEntry[]): Pipeline => ({ ...pipeline, operators, stages: [{ type: "verify" }] });
  const cases: [OperatorEntry, string][] = [
    [operatorEntry("m", "mask", { key: KEY, columns: { emial: "email" } }), "OPERATOR_COLUMN_MISSING"],
    [operatorEntry("f", "filter", { where: "tenant = 1" }, ["peopel"]), "OPERATOR_TABLE_UNKNOWN"],
    [operatorEntry("f", "filter", { where: "tenant = 'x'" }, ["people"]), "OPERATOR_OPTION_WRONG"],
  ];
  for (const [operator, code] of cases) await expect(runToEnd(withOperators(operator))).rejects.toMatchObject({ code });
});

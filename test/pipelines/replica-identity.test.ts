import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { differences, type PlacedTable } from "../support/oracle.js";
import { addressOf, hashed, makePipeline, type Run, rowStages, runToEnd, standardStages } from "../support/pipeline.js";
import { newShards } from "../support/shop.js";

/*
 * Case 4: tables whose updates and deletes are told by whole old rows. Without any key a change means one of the rows
 * that equal the old one, and nothing can be applied twice.
 */

const SHARDS = 3;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

interface Bench {
  readonly client: pg.Client;
  readonly shards: readonly pg.Client[];
  /** Brings the shards up to date and compares them, by verify and by the tests' own oracle. */
  readonly sync: () => Promise<Run>;
}

interface Setup {
  readonly schema: string;
  /** Run on the source before the copy. */
  readonly rows?: string;
  readonly everywhere?: readonly string[];
  readonly sharded?: readonly string[];
  /** Follows CREATE PUBLICATION p. */
  readonly published?: string;
  /** The shards' schema comes by schema-sync. */
  readonly schemaSync?: boolean;
}

let benches = 0;

/** Tables sharded by `owner`, a bigint, and others. */
async function newBench({ schema, rows = "", everywhere = [], sharded = [], published = "FOR ALL TABLES", schemaSync = false }: Setup): Promise<Bench> {
  const source = { cluster, database: `identity_${++benches}` };
  await cluster.createDatabase(source.database);
  const places = await newShards(cluster, source.database, SHARDS);
  const client = await cluster.connect(source.database);
  await client.query(`${schema}; CREATE PUBLICATION p ${published}`);
  await client.query(rows);
  const shards = await Promise.all(places.map(({ database }) => cluster.connect(database)));
  if (!schemaSync) for (const shard of shards) await shard.query(schema);
  const pipeline = makePipeline({
    from: addressOf(source),
    to: places.map((place) => addressOf(place)),
    publication: "p",
    sharding: { tables: sharded.length > 0 ? [hashed("owner", "bigint")] : [] },
    stages: schemaSync ? standardStages : rowStages,
  });
  const tables: readonly PlacedTable[] = [
    ...sharded.map((name) => ({ schema: "public", name, placement: { kind: "hash", column: "owner", type: "bigint" } as const })),
    ...everywhere.map((name) => ({ schema: "public", name, placement: { kind: "everywhere" } as const })),
  ];
  const sync = async (): Promise<Run> => {
    const run = await runToEnd(pipeline);
    expect(await differences(source, places, tables)).toEqual([]);
    expect(run.verdicts).toHaveLength(tables.length);
    expect(run.verdicts.filter((verdict) => !verdict.equal || verdict.misplaced > 0)).toEqual([]);
    return run;
  };
  await sync();
  return { client, shards, sync };
}

/** Runs the statements in one transaction, or each in its own. */
async function runAll(client: pg.Client, statements: readonly string[], together: boolean): Promise<void> {
  if (together) await client.query("BEGIN");
  for (const statement of statements) await client.query(statement);
  if (together) await client.query("COMMIT");
}

/** SQL of `bytes` characters that do not compress, different for every `seed` (SQL too). */
const large = (seed: string, bytes = 4000): string => `(SELECT left(string_agg(md5((${seed})::text || part), ''), ${bytes}) FROM generate_series(1, ${Math.ceil(bytes / 32)}) part)`;

/** Changes one row, though others may equal it. */
const one = (table: string, where: string): string => `WHERE ctid = (SELECT ctid FROM ${table} WHERE ${where} LIMIT 1)`;

const LINES = `
  CREATE TABLE lines (owner bigint, title text, body text); ALTER TABLE lines REPLICA IDENTITY FULL, ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE strict_lines (owner bigint NOT NULL, n int NOT NULL, title text NOT NULL); ALTER TABLE strict_lines REPLICA IDENTITY FULL;
  CREATE TABLE common_lines (n int, title text); ALTER TABLE common_lines REPLICA IDENTITY FULL;`;
const THREE_OF_EACH = `
  INSERT INTO lines SELECT owner, title, NULL FROM generate_series(1, 6) owner, (VALUES ('a'), (NULL), ('b')) AS titles (title), generate_series(1, 3);
  INSERT INTO strict_lines SELECT owner, n, 'a' FROM generate_series(1, 6) owner, generate_series(1, 2) n, generate_series(1, 3);
  INSERT INTO common_lines SELECT n, title FROM (VALUES (1), (NULL)) AS numbers (n), (VALUES ('a'), (NULL)) AS titles (title), generate_series(1, 3);`;
const lines: Pick<Setup, "schema" | "everywhere" | "sharded"> = { schema: LINES, sharded: ["lines", "strict_lines"], everywhere: ["common_lines"] };

describe.each([["in transactions of their own", false], ["in one transaction", true]])("case 4: tables without any key, changed %s", (_, together) => {
  it("exactly one of several equal rows is changed, nulls included", async () => {
    const { client, sync } = await newBench({ ...lines, rows: THREE_OF_EACH });
    const changes = [
      `DELETE FROM lines ${one("lines", "owner = 1 AND title = 'a'")}`,
      `DELETE FROM lines ${one("lines", "owner = 1 AND title IS NULL")}`,
      `UPDATE lines SET title = 'c' ${one("lines", "owner = 2 AND title = 'a'")}`,
      // Two rows that differed are equal now.
      `UPDATE lines SET title = 'b' ${one("lines", "owner = 2 AND title = 'c'")}`,
      `UPDATE lines SET title = NULL ${one("lines", "owner = 3 AND title = 'b'")}`,
      `DELETE FROM lines ${one("lines", "owner = 3 AND title IS NULL")}; DELETE FROM lines ${one("lines", "owner = 3 AND title IS NULL")}`,
      "DELETE FROM lines WHERE owner = 4 AND title = 'a'; INSERT INTO lines VALUES (4, 'a'), (4, 'a'), (4, NULL)",
      "UPDATE lines SET title = title WHERE owner = 5",
      `DELETE FROM strict_lines ${one("strict_lines", "owner = 1 AND n = 1")}; UPDATE strict_lines SET n = 2 ${one("strict_lines", "owner = 1 AND n = 1")}`,
      `UPDATE strict_lines SET n = n + 1 WHERE owner = 2; UPDATE strict_lines SET n = n - 1 WHERE owner = 2 AND n = 3; INSERT INTO strict_lines VALUES (2, 2, 'a')`,
      `DELETE FROM common_lines ${one("common_lines", "n IS NULL AND title IS NULL")}; UPDATE common_lines SET n = 1 ${one("common_lines", "n IS NULL AND title = 'a'")}`,
      `UPDATE common_lines SET title = NULL, n = NULL ${one("common_lines", "n = 1 AND title = 'a'")}`,
    ];
    await runAll(client, changes, together);
    await sync();
    await runAll(client, ["TRUNCATE lines", "INSERT INTO lines VALUES (1, 'new', 'b'), (1, 'new', 'b')", `DELETE FROM lines ${one("lines", "owner = 1")}`, "DELETE FROM common_lines"], together);
    await sync();
  });

  it("rows move between shards, one of several equal ones too, with large values unchanged", async () => {
    const { client, sync } = await newBench({ ...lines, rows: `INSERT INTO lines SELECT owner, 'a', ${large("owner")} FROM generate_series(1, 8) owner, generate_series(1, 3)` });
    const changes = Array.from({ length: 8 }, (__, index) => `UPDATE lines SET owner = owner + 100 ${one("lines", `owner = ${index + 1}`)}`);
    await runAll(client, changes, together);
    await sync();
    await runAll(client, [
      "UPDATE lines SET title = 'b' WHERE owner > 100", "UPDATE lines SET owner = owner - 100 WHERE owner > 100", "UPDATE lines SET owner = owner + 7", "UPDATE lines SET owner = owner - 5, title = NULL",
      `DELETE FROM lines ${one("lines", "owner = 4")}`, `UPDATE lines SET body = NULL, owner = 3 ${one("lines", "owner = 4")}`,
    ], together);
    await sync();
  });

  it("values outside the row stay what they were, in any mix", async () => {
    const { client, sync } = await newBench({
      schema: "CREATE TABLE docs (owner bigint, a text, title text, b text); ALTER TABLE docs REPLICA IDENTITY FULL, ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL",
      sharded: ["docs"],
      rows: `INSERT INTO docs SELECT owner, ${large("owner")}, 't', ${large("-owner")} FROM generate_series(1, 6) owner, generate_series(1, 2)`,
    });
    await runAll(client, [
      `UPDATE docs SET title = 'u' ${one("docs", "owner = 1")}`, `UPDATE docs SET a = NULL ${one("docs", "owner = 2")}`, `UPDATE docs SET a = b, b = a ${one("docs", "owner = 3")}`,
      `UPDATE docs SET b = ${large("17")}, owner = 50 ${one("docs", "owner = 4")}`, `INSERT INTO docs SELECT 5, ${large("5")}, 't', ${large("-5")}`, `UPDATE docs SET title = NULL WHERE owner = 5`,
      `DELETE FROM docs ${one("docs", "owner = 6")}`, `UPDATE docs SET title = 'again' ${one("docs", "owner = 1 AND title = 'u'")}`,
    ], together);
    await sync();
  });
});

describe("case 4: tables without any key", () => {
  it("types without an equality operator are told apart by their bytes, and numbers of one value by how they are written", async () => {
    const { client, shards, sync } = await newBench({
      schema: `CREATE TYPE spot AS (at point, doc json); CREATE DOMAIN shape AS polygon;
        CREATE TABLE odd (owner bigint, doc json, docs json[], page xml, at point, area box, shape shape, spot spot, price numeric, real float8, fixed char(5) NOT NULL DEFAULT 'x');
        ALTER TABLE odd REPLICA IDENTITY FULL`,
      sharded: ["odd"],
      rows: `INSERT INTO odd SELECT owner, doc::json, ARRAY[doc::json, NULL], ('<a>' || n || '</a>')::xml, point(n, 0), box(point(n, 0), point(n + 1, 2)), '((0,0),(1,1),(2,0))', ROW(point(n, 1), doc)::spot,
          price, real, 'x'
        FROM generate_series(1, 4) owner, generate_series(1, 2) n, (VALUES ('{"a":1}', 1.0, '0'::float8), ('{"a": 1}', 1.00, '-0'), (NULL, NULL, 'NaN')) AS kinds (doc, price, real), generate_series(1, 2);`,
    });
    await client.query(`
      DELETE FROM odd ${one("odd", "owner = 1 AND price::text = '1.00'")};
      DELETE FROM odd ${one("odd", "owner = 1 AND price::text = '1.0'")};
      UPDATE odd SET price = 1.0 ${one("odd", "owner = 2 AND price::text = '1.00'")};
      UPDATE odd SET doc = '{"a":1}', at = NULL ${one("odd", `owner = 2 AND doc::text = '{"a": 1}'`)};
      UPDATE odd SET page = '<b/>', spot = NULL, shape = NULL ${one("odd", "owner = 3 AND doc IS NULL")};
      UPDATE odd SET docs = NULL ${one("odd", "owner = 3 AND real::text = '-0'")};
      UPDATE odd SET area = box(area[1], area[0]), real = -real WHERE owner = 4;
      DELETE FROM odd ${one("odd", "owner = 4 AND real = 'NaN'")}`);
    await sync();
    await client.query("UPDATE odd SET owner = owner + 1; DELETE FROM odd WHERE owner = 3");
    await sync();
    await client.query("DELETE FROM odd");
    await sync();
    for (const shard of shards) expect(await shard.query("SELECT FROM odd")).toMatchObject({ rowCount: 0 });
  });

  it("batches of thousands of changes, on rows that equal one another and others that do not", async () => {
    const { client, sync } = await newBench({ ...lines, rows: `
      INSERT INTO lines SELECT n % 40, 'a', NULL FROM generate_series(1, 10000) n; INSERT INTO strict_lines SELECT n, n, 'a' FROM generate_series(1, 10000) n;
      INSERT INTO common_lines SELECT n, NULL FROM generate_series(1, 3000) n;` });
    await client.query("UPDATE lines SET title = 'b' WHERE owner < 20");
    await client.query("UPDATE lines SET owner = owner + 1; DELETE FROM lines WHERE owner % 5 = 0; INSERT INTO lines SELECT n % 7, 'b' FROM generate_series(1, 3000) n");
    await client.query("UPDATE strict_lines SET n = -n; UPDATE strict_lines SET owner = owner + 1 WHERE n % 2 = 0; DELETE FROM strict_lines WHERE n % 3 = 0");
    await client.query("UPDATE common_lines SET title = 'x' WHERE n % 2 = 0; UPDATE common_lines SET n = NULL");
    await sync();
  });

  it("identity, generated, partitioned and unique columns, names that need quotes", async () => {
    const schema = `
      CREATE TABLE numbered (owner bigint, id int GENERATED ALWAYS AS IDENTITY, title text); ALTER TABLE numbered REPLICA IDENTITY FULL;
      CREATE TABLE computed (owner bigint, n int, twice int GENERATED ALWAYS AS (n * 2) STORED); ALTER TABLE computed REPLICA IDENTITY FULL;
      CREATE TABLE unique_code (owner bigint, code text UNIQUE); ALTER TABLE unique_code REPLICA IDENTITY FULL;
      CREATE TABLE parts (owner bigint, kind text, n int) PARTITION BY LIST (kind); ALTER TABLE parts REPLICA IDENTITY FULL;
      CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a'); ALTER TABLE parts_a REPLICA IDENTITY FULL;
      CREATE TABLE parts_rest PARTITION OF parts DEFAULT; ALTER TABLE parts_rest REPLICA IDENTITY FULL;
      CREATE TABLE "Ü ""x" (owner bigint, gone int, "select" text, "a b" int); ALTER TABLE "Ü ""x" REPLICA IDENTITY FULL, DROP COLUMN gone`;
    const { client, shards, sync } = await newBench({
      schema,
      published: "FOR ALL TABLES WITH (publish_generated_columns = stored)",
      sharded: ["numbered", "computed", "unique_code", "parts_a", "parts_rest", 'Ü "x'],
      schemaSync: true,
    });
    await client.query(`
      INSERT INTO numbered (owner, title) SELECT n % 4, 'a' FROM generate_series(1, 12) n;
      INSERT INTO computed SELECT n % 4, 1 FROM generate_series(1, 12) n;
      INSERT INTO unique_code SELECT n % 4, CASE WHEN n > 4 THEN 'code ' || n END FROM generate_series(1, 12) n;
      INSERT INTO parts SELECT n % 4, CASE n % 2 WHEN 0 THEN 'a' ELSE 'b' END, 1 FROM generate_series(1, 12) n;
      INSERT INTO "Ü ""x" SELECT 1, 's', 1 FROM generate_series(1, 3);`);
    await sync();
    await client.query(`UPDATE "Ü ""x" SET "select" = NULL ${one('"Ü ""x"', "owner = 1")}; UPDATE numbered SET title = 'b' WHERE id % 2 = 0; UPDATE numbered SET id = DEFAULT WHERE id IN (3, 4); DELETE FROM numbered WHERE id = 5`);
    await client.query(`UPDATE computed SET n = 2 ${one("computed", "owner = 1")}; DELETE FROM computed ${one("computed", "owner = 2")}; UPDATE computed SET owner = 9 ${one("computed", "owner = 3")}`);
    // Values that go from row to row: one after the other they never meet.
    await client.query(`BEGIN; UPDATE unique_code SET code = NULL WHERE code = 'code 5'; UPDATE unique_code SET code = 'code 5' WHERE code = 'code 6'; UPDATE unique_code SET code = 'code 6' ${one("unique_code", "code IS NULL")}; COMMIT`);
    await client.query(`UPDATE parts SET kind = 'c' ${one("parts_a", "owner = 2")}; UPDATE parts SET kind = 'a' WHERE ctid = (SELECT ctid FROM parts_rest WHERE owner = 1 LIMIT 1) AND kind = 'b'; DELETE FROM parts_a ${one("parts_a", "owner = 0")}`);
    await sync();
    for (const shard of shards) expect(await shard.query("SELECT FROM computed WHERE twice <> n * 2")).toMatchObject({ rowCount: 0 });
  });
});

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";
import { beforeAll, describe, expect, it } from "vitest";
import { buffer } from "node:stream/consumers";
import { pipeline as pipe } from "node:stream/promises";
import { Readable } from "node:stream";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { databasesToml, runFlowToml, testDirectory } from "../support/flows.js";
import { differences } from "../support/oracle.js";

/** Rows of one table from a source into a sink, against what the server itself makes of them. */

const TABLE = `
  CREATE TYPE mood AS ENUM ('sad', 'so "so"');
  CREATE DOMAIN score AS numeric(6, 2);
  CREATE TABLE kinds (
    id bigint PRIMARY KEY, small int2, whole int, amount numeric, points score, real4 float4, real8 float8, yes bool,
    words text, short varchar(40), fixed char(4), raw bytea, day date, at timestamp, atz timestamptz, clock time, span interval,
    code uuid, doc jsonb, texts text[], numbers int[], grid numeric[], moments timestamptz[], flags bool[], docs jsonb[], boxes box[], feeling mood, address inet);
  INSERT INTO kinds VALUES
    (9223372036854775807, -32768, 2147483647, 12345678901234567890.123456789, 1.5, 1.1, 1e300, true,
     E'tab\\t quote " back\\\\slash \\n line \\r é 😀 \\u2028 \\x01 it''s', 'a, "b"', 'ab', '\\x00ff5c', '2024-02-29', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56+05:30', '23:59:59.5', '1 year 2 days 03:04:05',
     '0192e4c0-0000-7000-8000-000000000001', '{"a": [1, 2.50, null], "b": "line\\nfeed"}', ARRAY['a', NULL, '', 'NULL', 'x"y\\z', '{}', E'n\\nl', ' '], '[0:2]={1,2,NULL}', '{{1.10,2},{3,NaN}}',
     ARRAY['2024-01-01 00:00:00+00', 'infinity']::timestamptz[], '{t,f,NULL}', ARRAY['{"k": "a,b"}', '[]']::jsonb[], ARRAY['(1,1),(0,0)', '(2,2),(1,1)']::box[], 'so "so"', '10.0.0.1/8'),
    (2, NULL, NULL, 'NaN', NULL, 'NaN', '-Infinity', false, '', NULL, '', '', '0044-03-15 BC', 'infinity', '0044-03-15 10:00:00+00 BC', NULL, NULL,
     NULL, 'null', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, NULL, 0, 'Infinity', 0, 0.1, -0.0, NULL, '\\N', '\\.', NULL, NULL, 'infinity', '99999-12-31 00:00:00', '-infinity', '24:00:00', '-00:00:01', NULL, '"text"', '{"{a,b}"}', '{}', '{0.00}', '{}', '{}', '{}', '{}', 'sad', '::1');
  INSERT INTO kinds (id, words) SELECT n, repeat('long ', 300) || n FROM generate_series(100, 3000) AS n`;

let cluster: Cluster;
let source: pg.Client;
let shards: pg.Client[];
beforeAll(async () => {
  cluster = await startTestCluster();
  for (const name of ["source", "shard_0", "shard_1", "copy"]) await cluster.createDatabase(name);
  source = await cluster.connect("source");
  // Text forms as the oracle has them do not depend on the session's.
  await source.query("SET TimeZone = 'UTC'");
  await source.query(TABLE);
  shards = await Promise.all(["shard_0", "shard_1"].map((name) => cluster.connect(name)));
});

const databases = (): string => databasesToml(cluster, { prod: ["source"], halves: ["shard_0", "shard_1"] });
const flow = (from: string, to: string, operators = ""): string => `${databases()}
[sources.in]
${from}
[sinks.out]
${to}
[[stages]]
type = "flow"
source = "in"
sink = "out"
${operators}`;
const KINDS = 'type = "table"\ndatabase = "prod"\ntable = "kinds"\n';

async function lines(client: pg.Client, sql: string): Promise<string[]> {
  return (await client.query<{ line: string }>(sql)).rows.map(({ line }) => line).sort();
}

async function copyOut(client: pg.Client, statement: string): Promise<Buffer> {
  return await buffer(client.query(copyTo(statement)));
}

describe("a table", () => {
  it("becomes NDJSON as row_to_json has it", async () => {
    const directory = testDirectory();
    const { events } = await runFlowToml(directory, flow(KINDS, 'type = "ndjson"\npath = "kinds.ndjson"'));
    const written = readFileSync(path.join(directory, "kinds.ndjson"), "utf8");
    expect(written.endsWith("\n")).toBe(true);
    const expected = await lines(source, "SELECT row_to_json(k)::text AS line FROM kinds AS k");
    expect(expected.length).toBe(2904);
    expect(written.trimEnd().split("\n").sort()).toEqual(expected);
    expect(events.find(({ type }) => type === "table-copied")).toMatchObject({ table: "kinds", rows: 2904 });
    // Nothing else is left beside it.
    expect(readdirSync(directory).sort()).toEqual(["flow.toml", "kinds.ndjson"]);
  });

  it("becomes CSV that COPY reads back", async () => {
    const directory = testDirectory();
    await runFlowToml(directory, flow(KINDS, 'type = "csv"\npath = "kinds.csv"'));
    await source.query("CREATE TABLE again (LIKE kinds)");
    await pipe(Readable.from([readFileSync(path.join(directory, "kinds.csv"))]), source.query(copyFrom("COPY again FROM STDIN (FORMAT csv, HEADER match)")));
    const rows = (table: string): Promise<string[]> => lines(source, `SELECT t::text AS line FROM ${table} AS t`);
    expect(await rows("again")).toEqual(await rows("kinds"));
    await source.query("DROP TABLE again");
  });

  it("becomes statements on standard output that make it again", async () => {
    const { stdout } = await runFlowToml(testDirectory(), flow(KINDS, 'type = "sql"\npath = "-"'));
    const copy = await cluster.connect("copy");
    await copy.query(TABLE);
    await copy.query("TRUNCATE kinds");
    await copy.query(stdout);
    expect(await lines(copy, "SELECT t::text AS line FROM public.kinds AS t")).toEqual(await lines(source, "SELECT t::text AS line FROM kinds AS t"));
    await copy.end();
  });

  it("gives some columns of some rows, through operators that rename and mask", async () => {
    const directory = testDirectory();
    writeFileSync(path.join(directory, "shout.mjs"), `
      import { map } from "${import.meta.resolve("rxjs")}";
      export default { name: "shout", options: { safeParse: (data) => ({ success: true, data }) },
        create: (_, { table }) => {
          const named = { ...table, schema: "archive", columns: table.columns.map((c) => (c.name === "short" ? { ...c, name: "label" } : c)) };
          return { table: named, writes: ["label"], drops: false, operator: map((batch) => {
            const out = batch.reshape(named);
            return out.with("label", (row) => out.column("label").value(row)?.toUpperCase() ?? null);
          }) };
        } };`);
    const { stdout } = await runFlowToml(directory, flow(`${KINDS}columns = ["short", "id"]\nwhere = "id < 4 OR id > 4000"`, 'type = "ndjson"\npath = "-"', 'operators = ["shout"]\n[operators.shout]\ntype = "./shout.mjs"'));
    expect(stdout.trimEnd().split("\n").sort()).toEqual(['{"label":"A, \\"B\\"","id":9223372036854775807}', '{"label":"\\\\.","id":3}', '{"label":null,"id":2}']);
    const { stdout: statements } = await runFlowToml(directory, flow(`${KINDS}columns = ["short", "id"]\nwhere = "id = 3"`, 'type = "sql"\npath = "-"', 'operators = ["shout"]\n[operators.shout]\ntype = "./shout.mjs"'));
    expect(statements).toContain(`INSERT INTO "archive"."kinds" ("label", "id") VALUES (E'\\\\.', 3);`);
  });

  it("is read from all shards, one after the other", async () => {
    for (const [index, shard] of shards.entries()) await shard.query(`CREATE TABLE parts (id int PRIMARY KEY); INSERT INTO parts SELECT n FROM generate_series(1, 20) AS n WHERE n % 2 = ${index}; CREATE TABLE same (id int); INSERT INTO same VALUES (7)`);
    const rules = '\n[[sharded_tables]]\ndatabase = "halves"\nname = "parts"\ncolumn = "id"\ndata_type = "bigint"\n[[omnisharded_tables]]\ndatabase = "halves"\ntables = ["same"]\n';
    const from = (table: string): string => `type = "table"\ndatabase = "halves"\ntable = "${table}"\n`;
    const out = 'type = "csv"\npath = "-"\nheader = false';
    const { stdout } = await runFlowToml(testDirectory(), flow(from("parts"), out) + rules);
    expect(stdout.trimEnd().split("\n").map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect((await runFlowToml(testDirectory(), flow(from("same"), out) + rules)).stdout).toBe("7\n");
    await expect(runFlowToml(testDirectory(), flow(from("same"), out))).rejects.toMatchObject({ code: "SOURCE_RULE_MISSING" });
    expect((await runFlowToml(testDirectory(), flow(`${from("parts")}shard = 1`, 'type = "null"'))).events.find(({ type }) => type === "table-copied")).toMatchObject({ rows: 10 });
  });
});

describe("a recorded COPY file", () => {
  const COLUMNS = "id bigint, name text";
  const rules = '\n[[sharded_tables]]\ndatabase = "halves"\nname = "people"\ncolumn = "id"\ndata_type = "bigint"\n';
  beforeAll(async () => {
    await source.query(`CREATE TABLE people (${COLUMNS}); INSERT INTO people SELECT n, 'name ' || n || E'\\t\\\\\\n😀' FROM generate_series(1, 5000) AS n`);
    for (const shard of shards) await shard.query(`CREATE TABLE people (${COLUMNS})`);
  });

  it.each(["binary", "text"])("in %s goes into shards, by their rules and once", async (format) => {
    for (const shard of shards) await shard.query("TRUNCATE people");
    const directory = testDirectory();
    writeFileSync(path.join(directory, "people.copy"), await copyOut(source, `COPY people TO STDOUT (FORMAT ${format})`));
    const toml = flow('type = "copy-file"\npath = "people.copy"\ntable = "people"', 'type = "shards"\ndatabase = "halves"') + rules;
    await runFlowToml(directory, toml);
    const rows = (): Promise<string[][]> => Promise.all(shards.map((shard) => lines(shard, "SELECT p::text AS line FROM people AS p")));
    const found = await rows();
    expect(found.every(({ length }) => length > 2000)).toBe(true);
    expect(found.flat().sort()).toEqual(await lines(source, "SELECT p::text AS line FROM people AS p"));
    const places = ["shard_0", "shard_1"].map((database) => ({ cluster, database }));
    expect(await differences({ cluster, database: "source" }, places, [{ schema: "public", name: "people", placement: { kind: "hash", column: "id", type: "bigint" } }])).toEqual([]);
    // Again: the rows are there.
    const { events } = await runFlowToml(directory, toml);
    expect(events.find(({ type }) => type === "table-copied")).toMatchObject({ resumed: true });
    expect(await rows()).toEqual(found);
    // One shard was emptied: it gets its rows again, and the other none twice.
    await shards[0]!.query("TRUNCATE people");
    await runFlowToml(directory, toml);
    expect((await rows()).map((part) => part.length)).toEqual(found.map((part) => part.length));
    // Other rows than those that are there.
    writeFileSync(path.join(directory, "people.copy"), await copyOut(source, `COPY (SELECT * FROM people WHERE id < 9) TO STDOUT (FORMAT ${format})`));
    await expect(runFlowToml(directory, toml)).rejects.toMatchObject({ code: "DESTINATION_NOT_EMPTY" });
  });

  it("in binary becomes text by what is said of its columns; half a file is refused and leaves nothing", async () => {
    const directory = testDirectory();
    const copied = await copyOut(source, "COPY (SELECT * FROM people WHERE id <= 2 ORDER BY id) TO STDOUT (FORMAT binary)");
    writeFileSync(path.join(directory, "people.copy"), copied);
    const toml = flow('type = "copy-file"\npath = "people.copy"\ntable = "people"\ncolumns = ["id bigint", "\\"the name\\" character varying(30)"]', 'type = "ndjson"\npath = "people.ndjson"');
    await runFlowToml(directory, toml);
    const expected = '{"id":1,"the name":"name 1\\t\\\\\\n😀"}\n{"id":2,"the name":"name 2\\t\\\\\\n😀"}\n';
    expect(readFileSync(path.join(directory, "people.ndjson"), "utf8")).toBe(expected);
    writeFileSync(path.join(directory, "people.copy"), copied.subarray(0, copied.length - 9));
    await expect(runFlowToml(directory, toml)).rejects.toMatchObject({ code: "INPUT_FAILED" });
    expect(readFileSync(path.join(directory, "people.ndjson"), "utf8")).toBe(expected);
    expect(readdirSync(directory).sort()).toEqual(["flow.toml", "people.copy", "people.ndjson"]);
  });
});

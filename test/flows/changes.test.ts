import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { positionFile } from "../../src/sinks/appended-file.js";
import { startCommand } from "../support/cli.js";
import { startTestCluster } from "../support/cluster.js";
import { databasesToml, runFlowToml, testDirectory } from "../support/flows.js";

/** A publication's changes from a slot into each kind of sink. */

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster();
});

/** A source with tables and a slot, and databases with the same tables, empty. */
async function world(name: string, schema: string, copies: readonly string[] = []): Promise<{ readonly source: pg.Client; readonly copies: readonly pg.Client[]; readonly toml: (sink: string, more?: string) => string }> {
  const database = `${name}_source`;
  await cluster.createDatabase(database);
  const source = await cluster.connect(database);
  await source.query(`${schema}; CREATE PUBLICATION all_tables FOR ALL TABLES`);
  await source.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
  const clients: pg.Client[] = [];
  for (const copy of copies) {
    await cluster.createDatabase(copy);
    clients.push(await cluster.connect(copy));
    await clients.at(-1)!.query(schema);
  }
  const toml = (sink: string, more = ""): string => `${databasesToml(cluster, { prod: [database], ...(copies.length === 0 ? {} : { other: copies }) })}
[sources.log]
type = "changes"
database = "prod"
publication = "all_tables"
slot = "${name}"
[sinks.out]
${sink}
[[stages]]
type = "flow"
source = "log"
sink = "out"
${more}`;
  return { source, copies: clients, toml };
}

const SCHEMA = `
  CREATE TABLE keyed (id int PRIMARY KEY, a text, big text); ALTER TABLE keyed ALTER big SET STORAGE EXTERNAL;
  CREATE TABLE bare (n numeric, at timestamptz, spot point, doc json); ALTER TABLE bare REPLICA IDENTITY FULL;
  CREATE TABLE numbered (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, twice bigint GENERATED ALWAYS AS (id * 2) STORED, "odd ""name" text);
  CREATE SCHEMA "Else where"; CREATE TABLE "Else where"."select" ("from" text, part int, PRIMARY KEY (part, "from"));
  CREATE TABLE emptied (id int PRIMARY KEY)`;
const TABLES = ["keyed", "bare", "numbered", '"Else where"."select"', "emptied"];
const BIG = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 100) AS n)";
const HISTORY = [
  `INSERT INTO keyed SELECT n, E'it''s \\\\ ' || n || E'\\n', CASE WHEN n % 2 = 0 THEN ${BIG} END FROM generate_series(1, 30) AS n`,
  "INSERT INTO bare VALUES (1.50, '2024-02-29 12:00+02', '(1,2)', '{\"a\": 1}'), (1.50, '2024-02-29 12:00+02', '(1,2)', '{\"a\": 1}'), (NULL, NULL, NULL, NULL), ('NaN', 'infinity', '(0,0)', 'null')",
  `INSERT INTO numbered ("odd ""name") SELECT 'n' || n FROM generate_series(1, 5) AS n; INSERT INTO "Else where"."select" SELECT 'k' || n, n FROM generate_series(1, 5) AS n; INSERT INTO emptied VALUES (1), (2)`,
];
const LATER = [
  "BEGIN", "UPDATE keyed SET a = 'changed' WHERE id <= 10", "UPDATE keyed SET id = id + 1000 WHERE id <= 6", "DELETE FROM keyed WHERE id > 25 AND id < 1000", "COMMIT",
  "UPDATE bare SET n = 2 WHERE ctid = (SELECT min(ctid) FROM bare)", "DELETE FROM bare WHERE ctid = (SELECT max(ctid) FROM bare WHERE n = 2 OR n IS NULL)", "UPDATE bare SET spot = '(5,5)' WHERE n = 'NaN'",
  `UPDATE numbered SET "odd ""name" = NULL WHERE id = 2; UPDATE numbered SET id = DEFAULT WHERE id = 3; DELETE FROM numbered WHERE id = 4`,
  `UPDATE "Else where"."select" SET "from" = "from" || E'\\t''' WHERE part > 2; UPDATE "Else where"."select" SET part = -part WHERE part = 5`,
  "TRUNCATE emptied; INSERT INTO emptied VALUES (3)",
];

async function rowsOf(client: pg.Client): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const table of TABLES) found[table] = (await client.query<{ row: string }>(`SELECT t::text AS row FROM ${table.startsWith('"') ? table : `public.${table}`} AS t`)).rows.map(({ row }) => row).sort();
  return found;
}

interface Line {
  readonly op: string;
  readonly table: string;
  readonly old: Record<string, unknown> | null;
  readonly new: Record<string, unknown> | null;
}
const linesIn = (text: string): Line[] => text.trimEnd().split("\n").map((line) => JSON.parse(line) as Line);

describe("changes", () => {
  it("become statements that bring a copy to the source's state, also over several runs", async () => {
    const { source, copies: [copy], toml } = await world("as_sql", SCHEMA, ["as_sql_copy"]);
    const directory = testDirectory();
    const run = toml('type = "sql"\npath = "log.sql"');
    for (const statement of HISTORY) await source.query(statement);
    await runFlowToml(directory, run);
    for (const statement of LATER) await source.query(statement);
    await runFlowToml(directory, run);
    // Nothing new: nothing is written.
    const log = readFileSync(path.join(directory, "log.sql"), "utf8");
    await runFlowToml(directory, run);
    expect(readFileSync(path.join(directory, "log.sql"), "utf8")).toBe(log);
    await copy!.query(log);
    const expected = await rowsOf(source);
    expect(Object.values(expected).map(({ length }) => length)).toEqual([25, 3, 4, 5, 1]);
    expect(await rowsOf(copy!)).toEqual(expected);
    await Promise.all([source.end(), copy!.end()]);
  });

  it("go into shards through operators, and rows that leave a filter leave the shards", async () => {
    const { source, copies, toml } = await world("as_rows", "CREATE TABLE people (id int PRIMARY KEY, email text, state text, note text); ALTER TABLE people ALTER note SET STORAGE EXTERNAL", ["as_rows_0", "as_rows_1"]);
    const directory = testDirectory();
    for (const copy of copies) await copy.query("ALTER TABLE people RENAME TO persons");
    writeFileSync(path.join(directory, "shown.mjs"), `
      import { map } from "${import.meta.resolve("rxjs")}";
      export default { name: "shown", options: { safeParse: (data) => ({ success: true, data }) },
        create: (_, { table }) => {
          const named = { ...table, name: "persons" };
          return { table: named, writes: ["email"], operator: map((batch) => {
            const out = batch.reshape(named).filter((row) => batch.column("state").value(row) !== "hidden");
            return out.with("email", (row) => out.column("email").value(row)?.toUpperCase() ?? null);
          }) };
        } };`);
    const rules = '\n[[sharded_tables]]\ndatabase = "other"\nname = "persons"\ncolumn = "id"\ndata_type = "bigint"\n';
    const run = toml('type = "shards"\ndatabase = "other"', 'operators = ["shown"]\n[operators.shown]\ntype = "./shown.mjs"') + rules;
    const check = async (): Promise<void> => {
      const { rows: expected } = await source.query("SELECT id, upper(email) AS email, state, md5(note) AS note FROM people WHERE state <> 'hidden' ORDER BY id");
      const parts = await Promise.all(copies.map(async (copy) => (await copy.query<{ id: number }>("SELECT id, email, state, md5(note) AS note FROM persons")).rows));
      expect(parts.every(({ length }) => length > 2)).toBe(true);
      expect(parts.flat().sort((a, b) => a.id - b.id)).toEqual(expected);
    };
    await source.query(`INSERT INTO people SELECT n, 'm' || n, CASE WHEN n % 3 = 0 THEN 'hidden' ELSE 'shown' END, ${BIG} FROM generate_series(1, 40) AS n`);
    await runFlowToml(directory, run);
    await check();
    await source.query("UPDATE people SET state = 'hidden' WHERE id < 5; UPDATE people SET state = 'shown' WHERE id > 36; UPDATE people SET id = id + 100 WHERE id BETWEEN 10 AND 20; DELETE FROM people WHERE id = 25");
    await runFlowToml(directory, run);
    await check();
    await Promise.all([source, ...copies].map((client) => client.end()));
  });

  it("become lines: what names the row, what was sent, and nothing of what did not change", async () => {
    const { source, toml } = await world("as_lines", SCHEMA);
    for (const statement of ["INSERT INTO keyed VALUES (1, 'a', NULL)", `UPDATE keyed SET big = ${BIG}`, "UPDATE keyed SET a = 'b'", "UPDATE keyed SET id = 2", "DELETE FROM keyed", "INSERT INTO bare VALUES (1.50, NULL, NULL, '{\"x\":1}')", "DELETE FROM bare", "TRUNCATE keyed, emptied"]) await source.query(statement);
    // The slot stays where it is: a run on standard output has no memory of its own.
    const { stdout } = await runFlowToml(testDirectory(), toml('type = "ndjson"\npath = "-"'));
    const found = linesIn(stdout).map(({ op, table, old, new: after }) => [op, table, old, after && Object.keys(after).join()]);
    expect(found).toEqual([
      ["insert", "keyed", null, "id,a,big"], ["update", "keyed", null, "id,a,big"], ["update", "keyed", null, "id,a"], ["update", "keyed", { id: 1 }, "id,a"], ["delete", "keyed", { id: 2 }, null],
      ["insert", "bare", null, "n,at,spot,doc"], ["delete", "bare", { n: 1.5, at: null, spot: null, doc: { x: 1 } }, null],
      ["truncate", "keyed", null, null], ["truncate", "emptied", null, null],
    ]);
    expect(stdout).toContain('"new":{"n":1.50,');
    await source.end();
  });

  it("are in a file once and whole: a process was killed, its last words were cut, an acknowledgement was lost", async () => {
    const { source, toml } = await world("killed", "CREATE TABLE events (id int PRIMARY KEY, words text)");
    const directory = testDirectory();
    const file = path.join(directory, "events.ndjson");
    const run = toml('type = "ndjson"\npath = "events.ndjson"');
    const insert = async (from: number, to: number): Promise<void> => {
      for (let id = from; id <= to; id++) await source.query("INSERT INTO events VALUES ($1, repeat('word ', 50))", [id]);
    };
    const idsIn = (): unknown[] => linesIn(readFileSync(file, "utf8")).map(({ new: after }) => after?.["id"]);
    await source.query("SELECT pg_copy_logical_replication_slot('killed', 'killed_before')");
    await insert(1, 200);
    writeFileSync(path.join(directory, "endless.toml"), run.replace('slot = "killed"', 'slot = "killed"\nuntil = "stopped"'));
    const process = startCommand(["run", path.join(directory, "endless.toml")]);
    // While it writes.
    for (let id = 201; !existsSync(file) || statSync(file).size === 0; id++) await insert(id, id);
    const { rows } = await source.query<{ last: number }>("SELECT max(id) AS last FROM events");
    await insert(rows[0]!.last + 1, rows[0]!.last + 50);
    process.child.kill("SIGKILL");
    await process.ended;
    appendFileSync(file, '{"op":"insert","schema":"pub');
    const last = rows[0]!.last + 60;
    await insert(rows[0]!.last + 51, last);
    await runFlowToml(directory, run);
    const all = Array.from({ length: last }, (_, index) => index + 1);
    expect(idsIn()).toEqual(all);
    // The source forgets what it was told: everything comes again, and is known.
    await source.query("SELECT pg_drop_replication_slot('killed')");
    await source.query("SELECT pg_copy_logical_replication_slot('killed_before', 'killed')");
    await insert(last + 1, last + 1);
    await runFlowToml(directory, run);
    expect(idsIn()).toEqual([...all, last + 1]);
    // Moved away: a new file goes on behind it.
    rmSync(file);
    await insert(last + 2, last + 2);
    await runFlowToml(directory, run);
    expect(idsIn()).toEqual([last + 2]);
    expect(readdirSync(directory).sort()).toEqual(["endless.toml", "events.ndjson", "events.ndjson.position", "flow.toml"]);
    // Changes that nobody kept are not passed over in silence.
    await source.query("SELECT pg_drop_replication_slot('killed'), pg_drop_replication_slot('killed_before')");
    await expect(runFlowToml(directory, run)).rejects.toMatchObject({ code: "SLOT_MISSING" });
    await source.query("SELECT pg_create_logical_replication_slot('killed', 'pgoutput')");
    writeFileSync(positionFile(file), readFileSync(positionFile(file), "utf8").replace(/"position":"[^"]+"/, '"position":"FFFF/0"'));
    await expect(runFlowToml(directory, run)).rejects.toMatchObject({ code: "POSITION_AHEAD" });
    rmSync(positionFile(file));
    await expect(runFlowToml(directory, run)).rejects.toMatchObject({ code: "OUTPUT_EXISTS" });
    expect(idsIn()).toEqual([last + 2]);
    await source.end();
  });

  it("begin with a slot that is made where it is missing, and end when they are stopped", async () => {
    const { source, toml } = await world("fresh", "CREATE TABLE t (id int PRIMARY KEY)");
    await source.query("SELECT pg_drop_replication_slot('fresh'); INSERT INTO t VALUES (1)");
    const stop = new AbortController();
    const directory = testDirectory();
    const { events } = await runFlowToml(directory, toml('type = "csv"\npath = "t.csv"').replace('slot = "fresh"', 'slot = "fresh"\nuntil = "stopped"'), {
      signal: stop.signal,
      onEvent(event) {
        if (event.type === "note" && event.message.includes("was made")) void source.query("INSERT INTO t VALUES (2)");
        if (event.type === "stream-progress" && event.changes === 1) stop.abort();
      },
    });
    expect(events.some(({ type }) => type === "stage-finished")).toBe(true);
    expect(readFileSync(path.join(directory, "t.csv"), "utf8")).toMatch(/^op,schema,table,xid,lsn,old,new\ninsert,public,t,\d+,[0-9A-F/]+,,"\{""id"":2\}"\n$/);
    await source.query("SELECT pg_drop_replication_slot('fresh')");
    await expect(runFlowToml(testDirectory(), toml('type = "null"').replace('slot = "fresh"', 'slot = "fresh"\ncreate_slot = false'))).rejects.toMatchObject({ code: "SLOT_MISSING" });
    await source.end();
  });
});

import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import { startTestCluster } from "../support/cluster.js";
import { differences, type PlacedTable } from "../support/oracle.js";
import { addressOf, eventsOf, hashed, makePipeline, runToEnd } from "../support/pipeline.js";

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startTestCluster();
});

/** The longest name there may be, 63 bytes, and hard ones: quotes, capitals, spaces, other scripts, reserved words, what shells, regular expressions and node-postgres take for special. */
const LONG = "Größe_".repeat(7).padEnd(49, "x");
const NAMES = ['"', 'He said "no"', "o'Reilly", "Größe", "表", "🙂 ok", "select", "user", "Camel Case", " leading and trailing ", "back\\slash", "a.b", "per%cent %s", "$1", "$$", "semi;colon--", "/*", "new\nline", "tab\there", "{x}", LONG] as const;

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Its key, a type of its own, constraints, an index, a sequence and a large value all have names of that kind. */
function tableSql(schema: string, table: string, column: string): string {
  const at = (name: string): string => `${quote(schema)}.${quote(name)}`;
  const of = (name: string, kind: string): string => quote(`${name.slice(0, 20)} ${kind}`);
  const part = (kind: string): string => `${quote(schema)}.${of(table, kind)}`;
  return `
    CREATE TYPE ${part("Enum")} AS ENUM (${['it"s', "it''s", "Größe"].map((label) => `'${label}'`).join()});
    CREATE DOMAIN ${part("Domain")} AS text CONSTRAINT ${of(column, "check of domain")} CHECK (VALUE <> '');
    CREATE TABLE ${at(table)} (
      ${quote(column)} bigint NOT NULL,
      ${of(column, "No.")} integer GENERATED ALWAYS AS IDENTITY,
      ${of(column, "Enum")} ${part("Enum")} DEFAULT 'it"s',
      ${of(column, "Domain")} ${part("Domain")},
      ${of(column, "Array")} ${part("Enum")}[],
      ${of(column, "Large")} text,
      CONSTRAINT ${of(table, "Primary")} PRIMARY KEY (${quote(column)}, ${of(column, "No.")}),
      CONSTRAINT ${of(table, "Check")} CHECK (${quote(column)} <> -1)
    );
    ALTER TABLE ${at(table)} ALTER COLUMN ${of(column, "Large")} SET STORAGE EXTERNAL;
    CREATE INDEX ${of(table, "Index")} ON ${at(table)} (${of(column, "Domain")});
    COMMENT ON TABLE ${at(table)} IS 'a ; comment -- "here"';
    INSERT INTO ${at(table)} (${quote(column)}, ${of(column, "Domain")}, ${of(column, "Array")}, ${of(column, "Large")})
      SELECT i, 'text', ARRAY['it"s', NULL, 'it''s']::${part("Enum")}[], repeat(md5(i::text), 100) FROM generate_series(1, 30) i;`;
}

/** Every kind of change, also moves with the large value unchanged. */
function changes(schema: string, table: string, column: string): string {
  const at = `${quote(schema)}.${quote(table)}`;
  const key = quote(column);
  const of = (kind: string): string => quote(`${column.slice(0, 20)} ${kind}`);
  return `
    INSERT INTO ${at} (${key}, ${of("Enum")}) SELECT i, 'it''s' FROM generate_series(31, 40) i;
    UPDATE ${at} SET ${of("Domain")} = 'another' WHERE ${key} BETWEEN 1 AND 10;
    UPDATE ${at} SET ${key} = ${key} + 100 WHERE ${key} BETWEEN 5 AND 15;
    UPDATE ${at} SET ${of("Large")} = 'short', ${key} = ${key} + 100 WHERE ${key} BETWEEN 16 AND 18;
    DELETE FROM ${at} WHERE ${key} BETWEEN 19 AND 22;`;
}

async function connected(database: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = await cluster.connect(database);
  await work(client);
  await client.end();
}

describe("names", () => {
  it("of every kind come through: databases, schemas, tables, columns, types, constraints, indexes, publications", async () => {
    const databases = ['Quelle "A" größe', 'Shard "0" ä', "shard '1' 表", "select"];
    for (const database of databases) await cluster.createDatabase(database);
    // Every name is a schema's, a table's and a column's, each time beside others.
    const named = NAMES.map((name, index) => ({ schema: NAMES[(index + 7) % NAMES.length]!, table: name, column: NAMES[(index + 3) % NAMES.length]! }));
    const publication = 'My "Publication", größe';
    await connected(databases[0]!, async (client) => {
      for (const { schema, table, column } of named) await client.query(`CREATE SCHEMA ${quote(schema)}; ${tableSql(schema, table, column)}`);
      await client.query(`CREATE TABLE "Order" ("group" text PRIMARY KEY, "table" text); INSERT INTO "Order" VALUES ('"', ''''); CREATE PUBLICATION ${quote(publication)} FOR ALL TABLES`);
    });
    const source = { cluster, database: databases[0]! };
    const shards = databases.slice(1).map((database) => ({ cluster, database }));
    const pipeline = makePipeline({
      from: addressOf(source),
      to: shards.map((shard) => addressOf(shard)),
      name: 'to "there" größe',
      publication,
      sharding: { tables: named.map(({ schema, table, column }) => hashed(column, "bigint", { schema, name: table })) },
    });
    const run = await runToEnd(pipeline, {
      beforeStage: async (stage) => {
        if (stage.type !== "replicate") return;
        await connected(databases[0]!, async (client) => {
          for (const { schema, table, column } of named) await client.query(changes(schema, table, column));
          await client.query(`UPDATE "Order" SET "group" = '"2"'; INSERT INTO "Order" VALUES ('3')`);
        });
      },
    });
    expect(run.verdicts.filter((verdict) => !verdict.equal || verdict.misplaced > 0)).toEqual([]);
    expect(run.verdicts).toHaveLength(named.length + 1);
    expect(eventsOf(run.events, "retry")).toEqual([]);
    const tables: PlacedTable[] = named.map(({ schema, table, column }) => ({ schema, name: table, placement: { kind: "hash", column, type: "bigint" } }));
    expect(await differences(source, shards, [...tables, { schema: "public", name: "Order", placement: { kind: "everywhere" } }])).toEqual([]);
    // Identity columns, checks, indexes and comments have come too, under their own names.
    const structure = async (database: string): Promise<unknown> => {
      let found: unknown;
      await connected(database, async (client) => {
        found = (await client.query(`
          SELECT n.nspname, c.relname, c.relkind, obj_description(c.oid) AS comment,
            (SELECT json_agg(json_build_array(attname, format_type(atttypid, NULL), attidentity, attnotnull) ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS columns,
            (SELECT json_agg(json_build_array(conname, pg_get_constraintdef(k.oid)) ORDER BY conname) FROM pg_constraint k WHERE conrelid = c.oid) AS constraints
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^(pg_|information_schema|reshard$)' ORDER BY 1, 2`)).rows;
      });
      return found;
    };
    // The only integers there are parts of primary keys.
    const wanted: unknown = JSON.parse(JSON.stringify(await structure(source.database)).replaceAll('"integer"', '"bigint"'));
    for (const { database } of shards) expect(await structure(database), database).toEqual(wanted);
  });
});

import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { ValueFormat } from "../../src/postgres/value-format.js";
import { startTestCluster } from "../support/cluster.js";
import { formatsAsked, LOGS_STATEMENTS } from "../support/formats-asked.js";
import { addressOf, eventsOf, hashed, makePipeline, type Place, runToEnd } from "../support/pipeline.js";
import { newShards } from "../support/shop.js";
import { MADE_TYPES_SQL, PORTABLE_TABLES, TEXT_ONLY_TABLES, type TypedColumn, UNPORTABLE_TABLES, WITHOUT_INPUT } from "../support/type-values.js";

type Tables = Readonly<Record<string, readonly TypedColumn[]>>;

const BINARY_TABLES: Tables = { ...PORTABLE_TABLES, ...TEXT_ONLY_TABLES };
const ALL_TABLES: Tables = { ...BINARY_TABLES, ...UNPORTABLE_TABLES };

/** Rows whose every column is NULL, where it can be. */
const NULL_ROWS = [1001, 1002] as const;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster({ settings: LOGS_STATEMENTS });
});

function createTables(tables: Tables): string {
  return Object.entries(tables)
    .map(([name, columns]) => `CREATE TABLE ${name} (id bigint PRIMARY KEY, ${columns.map(({ type, notNull }) => `${quote(type)} ${type}${notNull === true ? " NOT NULL DEFAULT 1" : ""}`).join(", ")});`)
    .join("\n");
}

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** As many as there are values of one type. */
const rowsOf = (columns: readonly TypedColumn[]): number => Math.max(...columns.map(({ values }) => values.length));

const valueIn = ({ values }: TypedColumn, row: number): string => values[row % values.length]!;

async function insertRows(client: pg.Client, tables: Tables, firstId: number): Promise<void> {
  for (const [name, columns] of Object.entries(tables)) {
    const parameters = columns.map((_, index) => `$${index + 2}`).join(", ");
    for (let row = 0; row < rowsOf(columns); row++) {
      await client.query(`INSERT INTO ${name} VALUES ($1, ${parameters})`, [firstId + row, ...columns.map((column) => valueIn(column, row))]);
    }
  }
}

async function insertNulls(client: pg.Client, tables: Tables, id: number): Promise<void> {
  for (const name of Object.keys(tables)) await client.query(`INSERT INTO ${name} (id) VALUES ($1)`, [id]);
}

/** Each column on its own, in one row after the other; large values of the others stay as they are. */
async function updateEach(client: pg.Client, tables: Tables, firstId: number, value: (column: TypedColumn, row: number) => string | null): Promise<void> {
  for (const [name, columns] of Object.entries(tables)) {
    for (const column of columns) {
      for (let row = 0; row < column.values.length; row++) {
        const to = value(column, row);
        if (to === null && column.notNull === true) continue;
        await client.query(`UPDATE ${name} SET ${quote(column.type)} = $1 WHERE id = $2`, [to, firstId + row]);
      }
    }
  }
}

/** Every row of a table, with the types' own text form of each value, by id. */
async function rowsAt(places: readonly Place[], name: string): Promise<Record<string, string | null>[]> {
  const rows: Record<string, string | null>[] = [];
  for (const place of places) {
    const client = await place.cluster.connect(place.database);
    rows.push(...(await client.query<Record<string, string | null>>({ text: `SELECT * FROM ${name}`, types: { getTypeParser: () => (text: string): string => text } })).rows);
    await client.end();
  }
  return rows.sort((a, b) => Number(a["id"]) - Number(b["id"]));
}

/** Types of columns as the server names them, of those that it has itself. */
async function builtInTypesOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`
    SELECT DISTINCT t.typname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
     WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND t.typnamespace = 'pg_catalog'::regnamespace`);
  return rows.map(({ name }) => name);
}

describe.each<[ValueFormat, Tables]>([["binary", BINARY_TABLES], ["text", ALL_TABLES]])("case 1: every type of column, in %s", (format, tables) => {
  const database = `types_${format}`;
  let source: Place;
  let client: pg.Client;

  beforeAll(async () => {
    source = { cluster, database };
    await cluster.createDatabase(database);
    client = await cluster.connect(database);
    await client.query(`${MADE_TYPES_SQL} ${createTables(tables)} CREATE PUBLICATION everything FOR ALL TABLES`);
    return async () => {
      await client.end();
    };
  });

  it("is copied, inserted, updated on its own, set to NULL and back, and deleted", async () => {
    const shards = await newShards(cluster, `${database}_shard`, 2);
    const pipeline = makePipeline({
      from: addressOf(source),
      to: shards.map((shard) => addressOf(shard)),
      publication: "everything",
      sharding: { tables: [hashed("id", "bigint")] },
      general: { reshardingCopyFormat: format },
    });
    const sync = async (): Promise<void> => {
      const run = await runToEnd(pipeline);
      expect(eventsOf(run.events, "retry")).toEqual([]);
      for (const name of Object.keys(tables)) {
        const there = await rowsAt([source], name);
        expect(there.length).toBeGreaterThan(2);
        expect(await rowsAt(shards, name), name).toEqual(there);
      }
      expect(run.verdicts.filter((verdict) => !verdict.equal || verdict.misplaced > 0)).toEqual([]);
    };
    await insertRows(client, tables, 1);
    await insertNulls(client, tables, NULL_ROWS[0]);
    await sync();

    // So many at once that they go by COPY.
    await client.query("BEGIN");
    for (const firstId of [101, 201, 301, 401]) await insertRows(client, tables, firstId);
    await client.query("COMMIT");
    await insertNulls(client, tables, NULL_ROWS[1]);
    await updateEach(client, tables, 1, (column, row) => valueIn(column, row + 1));
    await sync();

    await updateEach(client, tables, 1, () => null);
    await updateEach(client, tables, NULL_ROWS[0], (column) => column.values[0]!);
    await sync();

    await updateEach(client, tables, 1, valueIn);
    await client.query("BEGIN");
    await updateEach(client, tables, 101, () => null);
    await updateEach(client, tables, 101, (column, row) => valueIn(column, row + 2));
    await client.query("COMMIT");
    for (const name of Object.keys(tables)) await client.query(`DELETE FROM ${name} WHERE id IN (1, 102, ${NULL_ROWS[1]})`);
    await sync();

    const copies = Object.keys(tables).map((name) => `${name}: ${name in PORTABLE_TABLES ? format : "text"}`);
    const asked = await formatsAsked(cluster, database);
    expect(asked.streams).toEqual([String(format === "binary")]);
    expect(asked.copies).toEqual(expect.arrayContaining(copies));
  });
});

describe("case 1: the types of the server", () => {
  it("are all among those columns, but for what nobody can write a value of", async () => {
    await cluster.createDatabase("types_known");
    const client = await cluster.connect("types_known");
    await client.query(`${MADE_TYPES_SQL} ${createTables(ALL_TABLES)}`);
    const covered = await builtInTypesOf(client);
    // All but arrays of catalogs' rows and of cstring; each of these types can be that of a column.
    const { rows } = await client.query<{ name: string }>(`
      SELECT t.typname AS name FROM pg_type t LEFT JOIN pg_type e ON e.typarray = t.oid
       WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'r', 'm') AND e.typtype IS DISTINCT FROM 'c' AND e.typtype IS DISTINCT FROM 'p'`);
    const without: readonly string[] = WITHOUT_INPUT;
    expect(rows.map(({ name }) => name).filter((name) => !covered.includes(name) && !without.includes(name.replace(/^_/, ""))).sort()).toEqual([]);
    for (const type of WITHOUT_INPUT) await expect(client.query(`SELECT ''::${type}`), type).rejects.toMatchObject({ code: "0A000", message: expect.stringMatching(/^cannot accept a value of type /) as string });
    await client.end();
  });
});

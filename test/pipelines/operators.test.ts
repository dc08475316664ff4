import { map } from "rxjs";
import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../../src/demo/random.js";
import type { Cluster } from "../../src/embedded/cluster.js";
import { type OperatorChain, operatorChain, type NamedOperator } from "../../src/operators/operator-chain.js";
import { perRow } from "../../src/operators/per-row.js";
import type { TableBatch, TableShape } from "../../src/table-batch.js";
import { startTestCluster } from "../support/cluster.js";
import { operatorEntry } from "../support/operator-entry.js";
import { addressOf, hashed, makePipeline, rowStages, runToEnd } from "../support/pipeline.js";
import { rowTexts } from "../support/row-texts.js";
import { newShards } from "../support/shop.js";

/*
 * A pipeline's own operators on copy and stream: at the end the shards hold what the operators make of the source's final
 * rows. Writes go on during the copy, and while the stream lags, so that what is looked up is newer than the change.
 */

const COLUMNS = "owner bigint NOT NULL, email text, state text NOT NULL, note text, mood mood DEFAULT 'glad', tags int[] DEFAULT '{1,2}', address inet";
const TABLES = {
  people: { definition: `id int PRIMARY KEY, ${COLUMNS}`, key: "id" },
  inside: { definition: `${COLUMNS}, number int, PRIMARY KEY (owner, number)`, key: "number" },
  whole: { definition: `id int PRIMARY KEY, ${COLUMNS}`, key: "id", after: "ALTER TABLE whole REPLICA IDENTITY FULL" },
  keyless: { definition: `id int, ${COLUMNS}`, key: "id", after: "ALTER TABLE keyless REPLICA IDENTITY FULL" },
  coded: { definition: `code text PRIMARY KEY, ${COLUMNS}`, key: "code" },
  everywhere: { definition: `id int PRIMARY KEY, ${COLUMNS.replace("owner", "nobody")}`, key: "id" },
} as const;
type Name = keyof typeof TABLES;
const NAMES = Object.keys(TABLES) as Name[];
const SHARDS = 2;
/** OPERATOR_SEED and OPERATOR_SEEDS try others. */
const SEEDS = Array.from({ length: Number(process.env["OPERATOR_SEEDS"] ?? 2) }, (_, index) => Number(process.env["OPERATOR_SEED"] ?? 1) + index);

const schema = (withSize: boolean): string => ["CREATE TYPE mood AS ENUM ('glad', 'sad')"].concat(NAMES.map((name) => {
  const table = TABLES[name];
  return `CREATE TABLE ${name} (${table.definition}${withSize ? ", size bigint" : ""}); ALTER TABLE ${name} ALTER note SET STORAGE EXTERNAL; ${"after" in table && !withSize ? table.after : ""}`;
})).join(";");

/** What they make of the source's rows, in SQL. */
const expectedRows = (name: Name): string => `SELECT ${name === "coded" ? "upper(code) AS code" : name === "inside" ? "number" : "id"}, ${name === "everywhere" ? "nobody" : "owner"}, upper(email) AS email, state, md5(note) AS note, length(note)::bigint AS size, mood, CASE WHEN state <> 'other' THEN tags END AS tags, address FROM ${name} WHERE state <> 'hidden'`;
const foundRows = (name: Name): string => expectedRows(name).replace("upper(code)", "code").replace("upper(email)", "email").replace("length(note)::bigint", "size").replace(/CASE .* END AS tags/, "tags").replace(/ WHERE .*/, "");

function chainOf(table: TableShape): OperatorChain {
  const shown: NamedOperator = { name: "shown", operator: { writes: [], operator: map((batch: TableBatch) => batch.filter((row) => batch.column("state").value(row) !== "hidden")) } };
  const upper = (column: string): NamedOperator => ({ name: `upper ${column}`, operator: perRow({ writes: [column] }, (row) => ({ ...row, [column]: (row[column] as string | null | undefined)?.toUpperCase() ?? null })) });
  // Arrays and inet are not read in binary.
  const untagged: NamedOperator = { name: "untagged", operator: perRow({ writes: ["tags", "address", "mood"] }, (row) => (row["state"] === "other" ? { ...row, tags: null } : row)) };
  const withSize: TableShape = { ...table, columns: [...table.columns, { name: "size", type: "int8", partOfKey: false }] };
  const sized: NamedOperator = {
    name: "sized",
    operator: {
      table: withSize, writes: ["size"], drops: false,
      operator: map((batch: TableBatch) => batch.reshape(withSize).with("size", (row) => {
        const note = batch.column("note").value(row);
        return typeof note === "string" ? BigInt(note.length) : note === undefined ? undefined : null;
      })),
    },
  };
  return operatorChain(table, [upper("email"), untagged, shown, ...(table.name === "coded" ? [upper("code")] : []), sized]);
}

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startTestCluster({ settings: { max_replication_slots: 200, max_wal_senders: 200, max_connections: 300 } });
});

/** One random change to one table. */
function change(random: Random, name: Name): string {
  const owner = name === "everywhere" ? "nobody" : "owner";
  const id = random.integer(1, 40);
  const key = name === "coded" ? `'c${id}'` : String(id);
  const { key: column } = TABLES[name];
  const note = random.pick(["NULL", "'short'", `repeat(md5(random()::text), ${random.integer(80, 90)})`]);
  const state = random.pick(["'shown'", "'hidden'", "'other'"]);
  const set = random.pick([`email = 'mail${random.integer(1, 99)}@x.y'`, `state = ${state}`, `note = ${note}`, `${owner} = ${random.integer(1, 9)}`, `state = ${state}, ${owner} = ${random.integer(1, 9)}`, "email = email", `mood = 'sad', tags = '{${random.integer(1, 9)},NULL}', address = '10.0.0.${random.integer(1, 9)}'`]);
  switch (random.integer(1, 10)) {
    case 1:
    case 2:
    case 3:
      return `INSERT INTO ${name} (${column}, ${owner}, email, state, note) VALUES (${key}, ${random.integer(1, 9)}, 'Mail@x.y', ${state}, ${note})${name === "keyless" ? "" : " ON CONFLICT DO NOTHING"}`;
    case 4:
      return `DELETE FROM ${name} WHERE ${column} = ${key}`;
    case 5: {
      const moved = name === "coded" ? `'c${random.integer(41, 60)}'` : String(random.integer(41, 60));
      return `UPDATE ${name} SET ${column} = ${moved} WHERE ${column} = ${key} AND NOT EXISTS (SELECT FROM ${name} WHERE ${column} = ${moved})`;
    }
    default:
      // The same key may be there under two owners.
      return name === "inside" ? `UPDATE inside AS t SET ${set} WHERE number = ${key} AND NOT EXISTS (SELECT FROM inside o WHERE o.number = t.number AND o.owner <> t.owner)` : `UPDATE ${name} SET ${set} WHERE ${column} = ${key}`;
  }
}

async function write(client: pg.Client, random: Random, changes: number): Promise<void> {
  for (let at = 0; at < changes; ) {
    const length = Math.min(changes - at, random.integer(1, 12));
    await client.query("BEGIN");
    for (let statement = 0; statement < length; statement++) await client.query(change(random, random.pick(NAMES)));
    await client.query(random.integer(1, 10) === 1 ? "ROLLBACK" : "COMMIT");
    at += length;
  }
}

describe.each(["binary", "text"] as const)("operators on copy and stream, in %s", (format) => {
  it.each(SEEDS)("agree with the operators on the final rows (seed %i)", async (seed) => {
    const random = seededRandom(seed);
    const source = { cluster, database: `source_${format}_${seed}` };
    await cluster.createDatabase(source.database);
    const places = await newShards(cluster, `shard_${format}_${seed}`, SHARDS);
    const client = await cluster.connect(source.database);
    await client.query(`${schema(false)}; CREATE PUBLICATION everything FOR ALL TABLES`);
    const shards = await Promise.all(places.map(({ database }) => cluster.connect(database)));
    for (const shard of shards) await shard.query(schema(true));
    await write(client, random, 300);
    const pipeline = makePipeline({
      from: addressOf(source), to: places.map((place) => addressOf(place)), publication: "everything",
      sharding: { tables: [hashed("code", "varchar", { name: "coded" }), hashed("owner", "bigint")] },
      stages: rowStages, general: { reshardingCopyFormat: format },
    });
    const writing = write(client, random, 300);
    await runToEnd(pipeline, { chainOf });
    await writing;
    // What the stream finds waiting is older than what it looks up.
    await write(client, random, 300);
    const { verdicts } = await runToEnd(pipeline, { chainOf });
    for (const name of NAMES) {
      const expected = await rowTexts([client], expectedRows(name));
      expect(expected.length).toBeGreaterThan(5);
      const found = name === "everywhere" ? await Promise.all(shards.map((shard) => rowTexts([shard], foundRows(name)))) : [await rowTexts(shards, foundRows(name))];
      for (const rows of found) expect({ name, rows }).toEqual({ name, rows: expected });
    }
    expect(verdicts.filter(({ equal, misplaced }) => !equal || misplaced > 0)).toEqual([]);
    // A row that should not be there shows, and one that has other values.
    await shards[0]!.query("INSERT INTO people (id, owner, state) VALUES (1000, 1, 'hidden'); UPDATE everywhere SET email = 'x' WHERE id = (SELECT min(id) FROM everywhere)");
    const spoilt = (await runToEnd({ ...pipeline, stages: [{ type: "verify" }] }, { chainOf })).verdicts.filter(({ equal }) => !equal).map(({ table }) => table);
    expect(spoilt).toEqual(["everywhere", "people"]);
    await Promise.all([client, ...shards].map((session) => session.end()));
  });
});

it("add a column to rows with another one that was dropped meanwhile", async () => {
  const source = { cluster, database: "source_dropped" };
  await cluster.createDatabase(source.database);
  const places = await newShards(cluster, "shard_dropped", SHARDS);
  const client = await cluster.connect(source.database);
  const shards = await Promise.all(places.map(({ database }) => cluster.connect(database)));
  const items = "CREATE TABLE items (id int PRIMARY KEY, owner bigint NOT NULL, extra text, title text";
  await client.query(`${items}); CREATE PUBLICATION everything FOR ALL TABLES; INSERT INTO items SELECT i, i, 'extra', 'first' FROM generate_series(1, 9) AS i`);
  for (const shard of shards) await shard.query(`${items}, size bigint)`);
  const pipeline = makePipeline({ from: addressOf(source), to: places.map((place) => addressOf(place)), publication: "everything", sharding: { tables: [hashed("owner", "bigint")] }, stages: rowStages });
  const sizes = (table: TableShape): OperatorChain => {
    const withSize: TableShape = { ...table, columns: [...table.columns, { name: "size", type: "int8", partOfKey: false }] };
    return operatorChain(table, [{
      name: "size",
      operator: { table: withSize, writes: ["size"], drops: false, operator: map((batch: TableBatch) => batch.reshape(withSize).with("size", (row) => BigInt((batch.column("title").value(row) as string | undefined)?.length ?? 0))) },
    }]);
  };
  await runToEnd(pipeline, { chainOf: sizes });
  await client.query("UPDATE items SET title = 'the second' WHERE id < 5; INSERT INTO items VALUES (10, 10, 'extra', 'new'); DELETE FROM items WHERE id = 9; ALTER TABLE items DROP COLUMN extra");
  for (const shard of shards) await shard.query("ALTER TABLE items DROP COLUMN extra");
  const { verdicts } = await runToEnd(pipeline, { chainOf: sizes });
  expect(verdicts.filter(({ equal }) => !equal)).toEqual([]);
  expect(await rowTexts(shards, "SELECT id, title, size FROM items")).toEqual(await rowTexts([client], "SELECT id, title, length(title) AS size FROM items"));
  await Promise.all([client, ...shards].map((session) => session.end()));
});

it("are not for a database that applications are moved to: what streams back would overwrite the source", async () => {
  const entry = operatorEntry("mails", "mask", {});
  const pipeline = makePipeline({ from: addressOf({ cluster, database: "a" }), to: [addressOf({ cluster, database: "b" })], publication: "everything", stages: [...rowStages, { type: "cutover" }] });
  await expect(runToEnd({ ...pipeline, operators: [entry] })).rejects.toMatchObject({ code: "CUTOVER_WITH_OPERATORS", place: entry.place });
});

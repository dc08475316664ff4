import type pg from "pg";
import type { Cluster } from "../../src/embedded/cluster.js";
import type { Place } from "./pipeline.js";

/** Where a test says the rows of a table belong. */
export type Placement =
  | { readonly kind: "everywhere" }
  /** By PostgreSQL's own hash partitioning of a column of this type. */
  | { readonly kind: "hash"; readonly column: string; readonly type: "bigint" | "uuid" | "text" }
  /** SQL of the shard's number; the row is `t`. */
  | { readonly kind: "sql"; readonly shard: string };

export interface PlacedTable {
  readonly schema: string;
  readonly name: string;
  readonly placement: Placement;
  /** The columns that have to agree; default: all, in the order in which both sides must have them. */
  readonly columns?: readonly string[];
  /** SQL of which of the source's rows belong on the shards; default: all. The row is `t`. */
  readonly where?: string;
}

const HELPER = "placement_oracle";

/**
 * Compares source and shards row by row, in the server's own text form, without anything of src/: what is missing on
 * the shard where it belongs, and what is there but belongs elsewhere or nowhere. Nothing may write meanwhile. Of a
 * source with several shards, tables that are everywhere are read on the first.
 */
export async function differences(source: Place | readonly Place[], shards: readonly Place[], tables: readonly PlacedTable[]): Promise<string[]> {
  const sources = "cluster" in source ? [source] : source;
  const helper = await openHelper(sources[0]!);
  const from = await Promise.all(sources.map(({ cluster, database }) => cluster.connect(database)));
  const to = await Promise.all(shards.map(({ cluster, database }) => cluster.connect(database)));
  try {
    const found: string[] = [];
    for (const table of tables) {
      const taken = table.placement.kind === "everywhere" ? from.slice(0, 1) : from;
      const parts: string[][][] = [];
      for (const client of taken) parts.push(await rowsByShard(client, helper, table, shards.length));
      for (const [shard, client] of to.entries()) {
        const name = `${client.escapeIdentifier(table.schema)}.${client.escapeIdentifier(table.name)}`;
        const { rows } = await client.query<[string]>({ text: `SELECT ${rowText(client, table)} FROM ONLY ${name} AS t`, rowMode: "array" });
        found.push(...compare(parts.flatMap((part) => part[shard]!), rows.map(([row]) => row), `${name} on shard ${shard}`));
      }
    }
    return found;
  } finally {
    await Promise.all([...from, ...to].map((client) => client.end()));
  }
}

/** By their server, which ends them. */
const helpers = new WeakMap<Cluster, pg.Client>();

/** In a database beside the source's with one hash-partitioned table for each type, for `satisfies_hash_partition`. */
async function openHelper({ cluster }: Place): Promise<pg.Client> {
  const known = helpers.get(cluster);
  if (known !== undefined) return known;
  const postgres = await cluster.connect();
  const { rowCount } = await postgres.query("SELECT FROM pg_database WHERE datname = $1", [HELPER]);
  await postgres.end();
  if (rowCount === 0) await cluster.createDatabase(HELPER);
  const client = await cluster.connect(HELPER);
  for (const type of ["bigint", "uuid", "text"]) await client.query(`CREATE TABLE IF NOT EXISTS of_${type} (key ${type}) PARTITION BY HASH (key)`);
  helpers.set(cluster, client);
  client.once("end", () => helpers.delete(cluster));
  return client;
}

function rowText(client: pg.Client, { columns }: PlacedTable): string {
  return columns === undefined ? "t::text" : `ROW(${columns.map((column) => `t.${client.escapeIdentifier(column)}`).join(", ")})::text`;
}

async function rowsByShard(from: pg.Client, helper: pg.Client, table: PlacedTable, shards: number): Promise<string[][]> {
  const { schema, name, placement, where = "true" } = table;
  const key = placement.kind === "hash" ? `t.${from.escapeIdentifier(placement.column)}::text` : placement.kind === "sql" ? placement.shard : "NULL";
  const { rows } = await from.query<[string, string | number]>({
    text: `SELECT ${rowText(from, table)}, ${key} FROM ONLY ${from.escapeIdentifier(schema)}.${from.escapeIdentifier(name)} AS t WHERE ${where}`,
    rowMode: "array",
  });
  const placed = Array.from({ length: shards }, (): string[] => []);
  const shardOf = placement.kind === "hash" ? await hashedShards(helper, placement.type, [...new Set(rows.map(([, value]) => value as string))], shards) : undefined;
  for (const [row, value] of rows) {
    if (placement.kind === "everywhere") for (const part of placed) part.push(row);
    else {
      const part = placed[shardOf === undefined ? Number(value) : shardOf.get(value as string)!];
      if (part === undefined) throw new Error(`${schema}.${name}: the oracle puts ${row} on a shard that there is not (${value})`);
      part.push(row);
    }
  }
  return placed;
}

async function hashedShards(helper: pg.Client, type: string, keys: readonly string[], shards: number): Promise<Map<string, number>> {
  const { rows } = await helper.query<{ key: string; shards: number[] }>(
    `SELECT key::text, array_agg(shard) AS shards FROM unnest($1::${type}[]) AS key, generate_series(0, $2::int4 - 1) AS shard
      WHERE satisfies_hash_partition('of_${type}'::regclass, $2, shard, key) GROUP BY key`,
    [keys, shards],
  );
  if (rows.length !== keys.length || rows.some((row) => row.shards.length !== 1)) throw new Error("a key does not belong to exactly one hash partition");
  return new Map(rows.map((row) => [row.key, row.shards[0]!]));
}

/** Multisets: a row that is there twice is one too many. */
function compare(expected: readonly string[], found: readonly string[], where: string): string[] {
  const counts = new Map<string, number>();
  for (const row of expected) counts.set(row, (counts.get(row) ?? 0) + 1);
  for (const row of found) counts.set(row, (counts.get(row) ?? 0) - 1);
  const wrong = [...counts].filter(([, count]) => count !== 0);
  const shown = wrong.slice(0, 3).map(([row, count]) => `${where}: ${count > 0 ? `${count} missing` : `${-count} too many`}: ${row.length > 200 ? `${row.slice(0, 200)} …` : row}`);
  return wrong.length > shown.length ? [...shown, `${where}: ${wrong.length - shown.length} more differences`] : shown;
}

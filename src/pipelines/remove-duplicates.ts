import type pg from "pg";
import type { PublishedTable } from "../postgres/catalog.js";
import { endQuietly } from "../postgres/connection.js";
import { qualifiedName, quoteIdentifier } from "../postgres/identifiers.js";
import { keyOnTwoShards } from "../sinks/apply-owned-step.js";
import { keptDuplicate } from "../sinks/ownership.js";
import type { TableRoute } from "../sharding/table-route.js";
import { rowThere } from "../sources/source-rows.js";
import type { Migration } from "./migration.js";

interface Copy {
  partition: string;
  place: string;
  /** What names the row. */
  key: string[];
  /** What is the same in several. */
  alike: string[];
  owner: Buffer | null;
}

/**
 * A row that moved between source shards may have been in the snapshots of both: it would keep a key from being built,
 * that which names rows or, where it got another name meanwhile, another. Of such rows on a shard the one stays whose source shard has it now; the other's deletion is still to come.
 * Fails, to be tried again, where both have it.
 *
 * @param uniqueKeys columns of the keys that are to be built
 */
export async function removeDuplicates(migration: Migration, table: PublishedTable, client: pg.Client, uniqueKeys: readonly (readonly string[])[]): Promise<void> {
  const route = migration.sources[0]!.sourceRoute(table);
  // Equal rows of a table without key are as many as the source shards have.
  if (route.kind !== "key" || table.key.length === 0) return;
  for (const key of uniqueKeys) await removeAlike(migration, table, client, route, key);
}

async function removeAlike({ sources, sessions }: Migration, table: PublishedTable, client: pg.Client, route: Extract<TableRoute, { kind: "key" }>, uniqueKey: readonly string[]): Promise<void> {
  const copies = await readDuplicates(client, table, route.column, uniqueKey);
  if (copies.length === 0) return;
  const lookups: pg.Client[] = [];
  const gone: Pick<Copy, "partition" | "place">[] = [];
  try {
    for (const { address } of sources) lookups.push(await sessions.source(address, "whereabouts"));
    for (const same of grouped(copies)) {
      const owners = same.map(({ owner }) => route.shardOf(owner ?? Buffer.alloc(0), 0, owner?.length ?? -1));
      const there = await Promise.all(owners.map(async (owner, index) => owner >= 0 && (await rowThere(lookups[owner]!, table, table, same[index]!.key))));
      const stay = keptDuplicate(there);
      if (stay === undefined) throw keyOnTwoShards(table, uniqueKey);
      for (const [index, { partition, place }] of same.entries()) {
        if (index !== stay) gone.push({ partition, place });
      }
    }
  } finally {
    await Promise.all(lookups.map(endQuietly));
  }
  await remove(client, gone);
}

/** A table that is published, as the shards' are too, lets no row be deleted before it has its key or another identity. */
async function remove(client: pg.Client, gone: readonly Pick<Copy, "partition" | "place">[]): Promise<void> {
  await client.query("BEGIN");
  for (const partition of new Set(gone.map((copy) => copy.partition))) {
    const { rows } = await client.query<{ name: string; identity: string }>("SELECT oid::regclass::text AS name, relreplident AS identity FROM pg_class WHERE oid = $1::int8::oid", [partition]);
    const { name, identity } = rows[0]!;
    if (identity === "d") await client.query(`ALTER TABLE ${name} REPLICA IDENTITY FULL`);
    await client.query(`DELETE FROM ONLY ${name} WHERE ctid = ANY ($1::tid[])`, [gone.filter((copy) => copy.partition === partition).map(({ place }) => place)]);
    if (identity === "d") await client.query(`ALTER TABLE ${name} REPLICA IDENTITY DEFAULT`);
  }
  await client.query("COMMIT");
}

function from(table: PublishedTable): string {
  return `${table.partitioned ? "" : "ONLY "}${qualifiedName(table)}`;
}

async function readDuplicates(client: pg.Client, table: PublishedTable, column: string, uniqueKey: readonly string[]): Promise<Copy[]> {
  const key = uniqueKey.map(quoteIdentifier).join(", ");
  const texts = (columns: readonly string[]): string => `ARRAY[${columns.map((name) => `${quoteIdentifier(name)}::text`).join(", ")}]`;
  const type = table.columns.find(({ name }) => name === column)!.baseType;
  const owner = type === "uuid" ? `uuid_send(${quoteIdentifier(column)})` : type.startsWith("int") ? `int8send(${quoteIdentifier(column)}::int8)` : `textsend(${quoteIdentifier(column)}::text)`;
  const { rows } = await client.query<Copy>(
    `SELECT tableoid::int8::text AS partition, ctid::text AS place, ${texts(table.key)} AS key, ${texts(uniqueKey)} AS alike, ${owner} AS owner
       FROM ${from(table)} WHERE (${key}) IN (SELECT ${key} FROM ${from(table)} GROUP BY ${key} HAVING count(*) > 1) ORDER BY ${key}`,
  );
  return rows;
}

function grouped(copies: readonly Copy[]): Copy[][] {
  const groups = new Map<string, Copy[]>();
  for (const copy of copies) {
    const key = JSON.stringify(copy.alike);
    groups.set(key, [...(groups.get(key) ?? []), copy]);
  }
  return [...groups.values()];
}

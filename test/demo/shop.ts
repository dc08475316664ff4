import type pg from "pg";
import { loadShop } from "../../src/demo/load-shop.js";
import { shopSchema } from "../../src/demo/shop-schema.js";
import { shopTables } from "../../src/demo/shop-tables.js";
import type { Cluster } from "../../src/embedded/cluster.js";

/** A new database with the shop, filled with about that many rows. */
export async function newShop(cluster: Cluster, database: string, rows: number): Promise<pg.Client> {
  await cluster.createDatabase(database);
  const client = await cluster.connect(database);
  await client.query(shopSchema);
  await loadShop([client], rows);
  return client;
}

/** Rows and a digest of all values, of every table. */
export async function contents(client: pg.Client): Promise<Record<string, { rows: number; digest: string | null }>> {
  const found: Record<string, { rows: number; digest: string | null }> = {};
  for (const { schema, name } of shopTables) {
    const table = `${client.escapeIdentifier(schema)}.${client.escapeIdentifier(name)}`;
    const { rows } = await client.query<{ rows: number; digest: string | null }>(
      `SELECT count(*)::integer AS rows, md5(string_agg(t::text, E'\\n' ORDER BY t::text)) AS digest FROM ${table} t`,
    );
    found[`${schema}.${name}`] = rows[0]!;
  }
  return found;
}

/** Builds every foreign key anew, which checks all rows, and leaves the database as it was. Returns how many there are. */
export async function validateForeignKeys(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ table: string; name: string; definition: string }>(
    `SELECT conrelid::regclass::text AS table, quote_ident(conname) AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE contype = 'f'`,
  );
  await client.query("BEGIN");
  for (const { table, name, definition } of rows) {
    await client.query(`ALTER TABLE ${table} DROP CONSTRAINT ${name}, ADD CONSTRAINT ${name} ${definition}`);
  }
  await client.query("ROLLBACK");
  return rows.length;
}

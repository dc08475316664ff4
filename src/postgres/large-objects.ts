import type pg from "pg";

/** How many large objects a database has. */
export async function countLargeObjects(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: string }>("SELECT count(*) AS count FROM pg_largeobject_metadata");
  return Number(rows[0]!.count);
}

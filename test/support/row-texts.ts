import type pg from "pg";

/** The rows of a query on several servers, each as its server writes it, in one order. */
export async function rowTexts(clients: readonly pg.Client[], query: string): Promise<string[]> {
  const rows = await Promise.all(clients.map(async (client) => (await client.query<{ row: string }>(`SELECT t::text AS row FROM (${query}) AS t`)).rows));
  return rows.flat().map(({ row }) => row).sort();
}

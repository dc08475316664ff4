import type pg from "pg";
import { ofUser } from "./catalog-sql.js";

/**
 * Whether a database has anything of its users' that a phase of the schema could take for its own: relations and types,
 * which all else but publications and event triggers belongs to. Our own bookkeeping does not count.
 */
export async function hasObjects(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ has: boolean }>(`
    SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${ofUser()})
        OR EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE ${ofUser()})
        OR EXISTS (SELECT FROM pg_publication)
        OR EXISTS (SELECT FROM pg_event_trigger) AS has`);
  return rows[0]!.has;
}

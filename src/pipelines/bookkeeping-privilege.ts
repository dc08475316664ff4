import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";

/**
 * Fails with PRIVILEGE_MISSING where the schema of the bookkeeping may not be made: PostgreSQL asks for the privilege also
 * where the schema is there already. `kept`: what is kept in it.
 */
export async function checkBookkeepingPrivilege(client: pg.Client, address: ServerAddress, kept: string): Promise<void> {
  const { rows } = await client.query<{ may: boolean }>("SELECT has_database_privilege(current_database(), 'CREATE') AS may");
  if (!rows[0]!.may) throw bookkeepingRefused(client, address, `, in which ${kept} is kept`);
}

/** PRIVILEGE_MISSING */
export function bookkeepingRefused(client: pg.Client, address: ServerAddress, words: string, cause?: unknown): ReshardError {
  const server = displayAddress(address);
  return new ReshardError("PRIVILEGE_MISSING", `${server}: user "${address.user}" may not make the schema "reshard"${words}.`, {
    place: { server },
    remedy: `Run there: GRANT CREATE ON DATABASE ${client.escapeIdentifier(address.database)} TO ${client.escapeIdentifier(address.user)};`,
    ...(cause === undefined ? {} : { cause }),
  });
}

import type pg from "pg";

/** Of an advisory lock on each database: who makes something of the schema `reshard` has it. */
const MAKING = 0x72736832;

/**
 * Runs what makes the schema `reshard` or parts of it, where they are missing, in the transaction that is open. Migrations,
 * tasks and gateways do so at any time; IF NOT EXISTS alone fails where two of them do at once.
 */
export async function makeBookkeeping(client: pg.Client, statements: readonly string[]): Promise<void> {
  await client.query("SELECT pg_advisory_xact_lock($1)", [MAKING]);
  for (const statement of statements) await client.query(statement);
}

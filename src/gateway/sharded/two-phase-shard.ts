import { createHash } from "node:crypto";
import type pg from "pg";
import type { ServerAddress } from "../../config/types.js";
import { ReshardError } from "../../errors.js";
import { displayAddress } from "../../postgres/connection.js";
import { sqlState } from "../../postgres/server-errors.js";
import { makeBookkeeping } from "../../progress/make-bookkeeping.js";

/** What two-phase commit needs to know of a shard. */
export interface TwoPhaseShard {
  /** 16 hexadecimal digits that name this database of this server, whatever number it has in a configuration. */
  readonly identity: string;
  /** 0 where the server takes no prepared transactions. */
  readonly maxPreparedTransactions: number;
}

/**
 * The decisions. A row is written in the transaction of the client that it decides: both are committed, or neither. It is
 * written by whatever role the client has, hence the function.
 */
const STATEMENTS = [
  "CREATE SCHEMA IF NOT EXISTS reshard",
  `CREATE TABLE IF NOT EXISTS reshard.two_phase_decision (
     transaction text PRIMARY KEY, identities text[] NOT NULL, decided_at timestamptz NOT NULL DEFAULT now())`,
  `CREATE OR REPLACE FUNCTION reshard.decide_two_phase(transaction text, identities text[]) RETURNS void
     LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
     AS 'INSERT INTO reshard.two_phase_decision (transaction, identities) VALUES ($1, $2)'`,
  "GRANT USAGE ON SCHEMA reshard TO PUBLIC",
  "GRANT EXECUTE ON FUNCTION reshard.decide_two_phase(text, text[]) TO PUBLIC",
];

/**
 * Makes the table of decisions where it is missing, and says what the shard is.
 *
 * Fails with PRIVILEGE_MISSING where the login may not make the schema `reshard`.
 */
export async function prepareTwoPhaseShard(client: pg.Client, address: ServerAddress): Promise<TwoPhaseShard> {
  const { rows } = await client.query<{ there: boolean; system: string; database: string; prepared: string }>(
    `SELECT to_regprocedure('reshard.decide_two_phase(text, text[])') IS NOT NULL AS there, s.system_identifier::text AS system, d.oid::text AS database,
            current_setting('max_prepared_transactions') AS prepared
       FROM pg_control_system() s, pg_database d WHERE d.datname = current_database()`,
  );
  const { there, system, database, prepared } = rows[0]!;
  if (!there) await makeTable(client, address);
  return {
    identity: createHash("sha256").update(`${system}/${database}`).digest("hex").slice(0, 16),
    maxPreparedTransactions: Number(prepared),
  };
}

async function makeTable(client: pg.Client, address: ServerAddress): Promise<void> {
  try {
    await client.query("BEGIN");
    await makeBookkeeping(client, STATEMENTS);
    await client.query("COMMIT");
  } catch (cause) {
    await client.query("ROLLBACK").catch(() => undefined);
    if (sqlState(cause) !== "42501") throw cause;
    throw new ReshardError("PRIVILEGE_MISSING", `${displayAddress(address)}: user "${address.user}" may not make the table reshard.two_phase_decision.`, {
      remedy: `Grant CREATE on the database to "${address.user}", or turn two_phase_commit off: COMMIT is then sent to one shard after another.`,
      place: { server: displayAddress(address) },
      cause,
    });
  }
}

/** Fails with TWO_PHASE_UNAVAILABLE where a shard's server takes no prepared transactions. */
export function checkPreparedTransactions(shard: TwoPhaseShard, address: ServerAddress): void {
  if (shard.maxPreparedTransactions > 0) return;
  throw new ReshardError("TWO_PHASE_UNAVAILABLE", `two_phase_commit = true, but max_prepared_transactions is 0 on ${displayAddress(address)}.`, {
    remedy: "Set max_prepared_transactions in that server's postgresql.conf (as many as clients may commit at once; max_connections is enough) and restart it, or turn two_phase_commit off.",
    place: { server: displayAddress(address) },
  });
}

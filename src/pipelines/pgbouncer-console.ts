import pg from "pg";
import type { PgBouncerSettings } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { reasonOf } from "../postgres/server-errors.js";
import { endQuietly } from "../postgres/connection.js";

/** What PgBouncer's admin console is called as a database. */
const CONSOLE_DATABASE = "pgbouncer";
const CONNECT_MILLISECONDS = 5000;
/** Its commands do next to nothing, but for PAUSE: applications wait for them. */
const ANSWER_MILLISECONDS = 10_000;

/**
 * Does something in a session of PgBouncer's admin console, which speaks the simple protocol and takes no run-time parameters.
 *
 * @param answerWithin milliseconds for each command; 0 is without limit
 * @throws ReshardError PGBOUNCER_UNREACHABLE, PGBOUNCER_SILENT
 */
export async function withConsole<T>(settings: Pick<PgBouncerSettings, "host" | "port" | "user" | "password">, work: (client: pg.Client) => Promise<T>, answerWithin = ANSWER_MILLISECONDS): Promise<T> {
  const { host, port, user, password } = settings;
  const client = new pg.Client({ host, port, user, database: CONSOLE_DATABASE, ssl: false, connectionTimeoutMillis: CONNECT_MILLISECONDS, query_timeout: answerWithin, ...(password === undefined ? {} : { password }) });
  client.on("error", () => undefined);
  try {
    await client.connect();
  } catch (cause) {
    await endQuietly(client);
    throw new ReshardError("PGBOUNCER_UNREACHABLE", `The admin console of PgBouncer at ${host}:${port} cannot be reached: ${reasonOf(cause)}.`, {
      remedy: "Check pgbouncer_host, pgbouncer_port, pgbouncer_user and pgbouncer_password in [cutover], and admin_users in pgbouncer.ini.",
      cause,
    });
  }
  try {
    return await work(client);
  } catch (cause) {
    // node-postgres has no code for it.
    if (!(cause instanceof Error) || cause.message !== "Query read timeout") throw cause;
    throw new ReshardError("PGBOUNCER_SILENT", `The admin console of PgBouncer at ${host}:${port} does not answer.`, { remedy: "Look whether that process hangs; then do the same again.", cause });
  } finally {
    await endQuietly(client);
  }
}

/** A name as the console's commands take it. */
export function consoleName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

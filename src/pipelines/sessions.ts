import { createHash } from "node:crypto";
import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { OWN_SCHEMA } from "../postgres/catalog.js";
import { connect, displayAddress, type SessionOptions } from "../postgres/connection.js";
import { quoteIdentifier } from "../postgres/identifiers.js";
import { prepareSession } from "../schema/session-settings.js";
import { KeptSessions } from "./kept-sessions.js";
import { planByIndex } from "../postgres/planner-settings.js";

/** What a session is for, with the number of the source shard where one shard has sessions of several; part of its application_name, so that those of a dead run can be found. */
export type SessionPurpose = "lock" | "journal" | "monitor" | "schema" | `copy ${number}.${number}` | `apply ${number}` | "stream" | "lookup" | "whereabouts" | "verify" | "cutover";

/** Opens the sessions of one migration, each named for what it does. */
export class Sessions {
  /** What the application_name of every session of the migration begins with. */
  readonly tag: string;
  /** For questions to the source ("monitor"), what is noted on the shards ("journal"), and statements of the schema. */
  readonly kept = new KeptSessions(
    (server, purpose) => (purpose === "monitor" ? this.source(server, purpose) : this.destination(server, purpose)),
    async (client, purpose) => { if (purpose === "schema") await prepareSession(client); },
  );

  readonly #schemaParameters: Readonly<Record<string, string>>;

  /** @param schemaParameters run-time parameters of sessions that change the schema of a shard */
  constructor(migration: string, schemaParameters: Readonly<Record<string, string>> = {}) {
    this.#schemaParameters = schemaParameters;
    this.tag = `pg-reshard ${createHash("sha256").update(migration).digest("hex").slice(0, 8)}`;
  }

  applicationName(purpose: SessionPurpose): string {
    return `${this.tag} ${purpose}`;
  }

  async source(server: ServerAddress, purpose: SessionPurpose, options: Omit<SessionOptions, "applicationName" | "readOnly"> = {}): Promise<pg.Client> {
    return await connect(server, { ...options, applicationName: this.applicationName(purpose), readOnly: true });
  }

  async destination(server: ServerAddress, purpose: SessionPurpose, options: Pick<SessionOptions, "pipeline" | "parameters"> = {}): Promise<pg.Client> {
    // What the journal says has to outlive a crash, whatever the server's default.
    const parameters = { ...(purpose === "journal" ? { synchronous_commit: "on" } : purpose === "schema" ? this.#schemaParameters : {}), ...options.parameters };
    return await connect(server, { ...options, parameters, applicationName: this.applicationName(purpose) });
  }

  /**
   * A session that writes rows as replication does: triggers and foreign keys of the shard do not fire, where the user
   * may say so. Commits wait for the disk whatever the server's default: what they hold is acknowledged next, and after
   * a crash that took it back with its progress the source would have thrown it away.
   */
  async writer(server: ServerAddress, purpose: SessionPurpose, options: Pick<SessionOptions, "pipeline"> = {}): Promise<pg.Client> {
    const client = await this.destination(server, purpose, options);
    // Operators of extension types live in the extensions' schemas. A batch's rows are put in order of their keys, without a file.
    await client.query(`SELECT set_config('search_path', string_agg(DISTINCT oprnamespace::regnamespace::text, ', '), false) FROM pg_operator WHERE oprname = '=';
      SET synchronous_commit = on; SET work_mem = '32MB'; ${planByIndex("SET")}`);
    // Superusers, and since 15 whoever was granted it.
    const allowed = await client.query("SET session_replication_role = replica").then(
      () => true,
      (error: unknown) => {
        if (error instanceof Error && "code" in error && error.code === "42501") return false;
        throw error;
      },
    );
    if (!allowed) {
      const fires = await client.query<{ fires: boolean }>(
        `SELECT EXISTS (SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE t.tgenabled IN ('O', 'A') AND n.nspname NOT IN ('pg_catalog', 'information_schema', '${OWN_SCHEMA}')) AS fires`,
      );
      if (fires.rows[0]!.fires) {
        await client.end();
        throw replicaRoleRefused(server);
      }
    }
    return client;
  }

  /**
   * Ends sessions that a former attempt left behind on a server (one killed, or cut off by the network, may still be
   * writing) and waits until they are gone. After that nothing but this run changes what progress says.
   */
  async fence(client: pg.Client, ...purposes: readonly (SessionPurpose | "copy" | "apply")[]): Promise<void> {
    const deadline = Date.now() + FENCE_MILLISECONDS;
    for (;;) {
      const { rows } = await client.query<{ pid: number }>(
        // What pg_stat_activity is made of, without its joins.
        `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_get_activity(NULL)
          WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
            AND EXISTS (SELECT FROM unnest($1::text[]) AS p (name) WHERE application_name = p.name OR starts_with(application_name, p.name || ' '))`,
        [purposes.map((purpose) => `${this.tag} ${purpose}`)],
      );
      if (rows.length === 0) return;
      if (Date.now() > deadline) {
        throw new ReshardError("OLD_SESSION_REMAINS", `A session of a former run (${purposes.join(", ")}; process ${rows[0]!.pid}) does not end.`, {
          remedy: `Look at it in pg_stat_activity; SELECT pg_terminate_backend(${rows[0]!.pid});`,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const FENCE_MILLISECONDS = 60_000;

export function replicaRoleRefused(server: ServerAddress): ReshardError {
  return new ReshardError("REPLICA_ROLE_REFUSED", `${displayAddress(server)}: user "${server.user}" may not set session_replication_role, so triggers and foreign keys would fire for rows that the source has checked already.`, {
    remedy: `Run on the shard as a superuser: GRANT SET ON PARAMETER session_replication_role TO ${quoteIdentifier(server.user)};`,
  });
}

import type { ServerAddress } from "../config/types.js";
import { connect, endQuietly } from "../postgres/connection.js";
import { readServerVersion } from "../postgres/catalog.js";
import { bundledDump } from "./bundled-dump.js";
import { nativeDump } from "./native-dump.js";
import { pgDumpOnPath } from "./pg-dump-on-path.js";

export interface SchemaDump {
  /** What pg_dump printed: SQL in UTF-8. */
  readonly sql: string;
  /** For people: `pg_dump 18.4 (bundled)`, `pg_dump 16.3 (/usr/bin/pg_dump)`. */
  readonly program: string;
}

export interface DumpOptions {
  readonly server: ServerAddress;
  /** `[replication] pg_dump_path`. */
  readonly pgDumpPath?: string | undefined;
}

/**
 * Dumps the definitions of a whole database, owners and grants included, with the pg_dump that was asked for; else one
 * on PATH that is at least as new as the server; else the bundled one (WASM). The session is read-only.
 *
 * Where `sslmode` asks for a certificate that is trusted it is the bundled one, which goes over a session of ours: what
 * libpq trusts is another matter (`PGSSLROOTCERT`), which only who names a pg_dump can be expected to know.
 *
 * Fails with PG_DUMP_MISSING, PG_DUMP_FAILED or what `connect` fails with.
 */
export async function dumpSchema({ server, pgDumpPath }: DumpOptions): Promise<SchemaDump> {
  const isVerified = server.sslmode === "verify-ca" || server.sslmode === "verify-full";
  const program = pgDumpPath ?? (isVerified ? undefined : await pgDumpOnPath(await serverMajor(server)));
  const sql = program === undefined ? await bundledDump(server) : await nativeDump(program, server);
  const version = /^-- Dumped by pg_dump version (\S+)/m.exec(sql)?.[1] ?? "of unknown version";
  return { sql, program: `pg_dump ${version} (${program ?? "bundled"})` };
}

async function serverMajor(server: ServerAddress): Promise<number> {
  const client = await connect(server, { applicationName: "pg-reshard pg_dump", readOnly: true });
  try {
    return Math.floor((await readServerVersion(client)) / 10_000);
  } finally {
    await endQuietly(client);
  }
}

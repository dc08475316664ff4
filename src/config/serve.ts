import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { ConfigurationError, quoted, type Place, type Problem } from "./configuration-error.js";
import { didYouMean } from "./did-you-mean.js";
import type { Environment } from "./environment.js";
import { ADMIN, type AdminRow, type GeneralRow, type RehearsalRow, REHEARSALS } from "./grammar.js";
import { isFor, serverPassword, serverUser } from "./logins.js";
import { checkDatabaseNames, databaseOf, inOrder } from "./pipeline.js";
import { isAbsent, readDocument, type ReadFile } from "./read-document.js";
import { placeOf, problemAt, readRows } from "./rows.js";
import { arrayOfTables, mergedTable, readSections, type Sections } from "./sections.js";
import type { TomlDocument } from "./toml-document.js";
import type { Database, ServerAddress } from "./types.js";

/** What `pg-reshard serve` and `pg-reshard admin` need to know. */
export interface ServeConfiguration {
  readonly host: string;
  /** 0 takes any that is free. */
  readonly port: number;
  /** Paths of PEM files; undefined without TLS. */
  readonly tls: { readonly certificate: string; readonly privateKey: string } | undefined;
  readonly authentication: "scram" | "plain" | "trust";
  readonly admin: { readonly name: string; readonly user: string; readonly password: string | undefined };
  readonly limits: GatewayLimits;
  readonly twoPhaseCommit: boolean;
  /** Where what must outlive the process is kept: which side is in charge. */
  readonly stateDirectory: string;
  /** All of `[[databases]]`, by the names they have in the files. */
  readonly databases: readonly Database[];
  readonly clients: readonly ClientLogin[];
  /** `[[rehearsals]]`: databases whose statements are planned for another one's shards. Undefined: nothing is said of that. */
  readonly rehearsals: readonly RehearsalRow[] | undefined;
  /** Of primaries that have a user of their own in `[[databases]]`: all sessions log in there as this one. By `host:port/database`. */
  readonly ownLogins: ReadonlyMap<string, ServerLogin>;
  readonly notes: readonly string[];
}

/** 0 is without limit; milliseconds. */
export interface GatewayLimits {
  readonly maxClients: number;
  readonly loginTimeout: number;
  readonly idleTimeout: number;
  readonly queryTimeout: number;
  /** That a statement may wait for a lock in a transaction of several shards. */
  readonly crossShardLockTimeout: number;
}

/** A user of `[[users]]` as a client of one database. */
export interface ClientLogin {
  readonly user: string;
  /** As the files name it. */
  readonly database: string;
  /** Any of these will do; empty where nobody can log in. */
  readonly passwords: readonly string[];
  /** What this user's sessions log in with at the servers. */
  readonly server: ServerLogin;
}

export type ServerLogin = Pick<ServerAddress, "user" | "password">;

/** PgDog's defaults (general.rs of pgdog-config). */
const DEFAULT_HOST = "0.0.0.0";
const DEFAULT_PORT = 6432;
const DEFAULT_LOGIN_TIMEOUT = 60_000;
const DEFAULT_MAX_CLIENTS = 1000;
/** As PostgreSQL's own deadlock detection takes a second, and a lock may well be held for longer without any. */
const DEFAULT_CROSS_SHARD_LOCK_TIMEOUT = 10_000;

/** The files of a gateway: a pgdog.toml and a users.toml. */
export interface ServeFiles {
  readonly config: string;
  readonly users: string;
  readonly usersOptional?: boolean;
}

/** @throws ConfigurationError with every mistake of both files */
export function loadServeConfiguration(flags: ServeFiles, environment: Environment, readFile: ReadFile = (path) => readFileSync(path)): ServeConfiguration {
  const problems: Problem[] = [];
  const files = [{ file: flags.config, place: wholly("--config") }];
  const withoutUsers = flags.usersOptional === true && isAbsent(flags.users, readFile);
  if (!withoutUsers && resolve(flags.users) !== resolve(flags.config)) files.push({ file: flags.users, place: wholly("--users") });
  const documents = files.flatMap(({ file, place }) => readDocument(file, place, readFile, problems) ?? []);
  const sections = readSections(documents, undefined, documents.length === files.length, environment, problems);
  const notes = [...sections.notes];
  checkDatabaseNames(sections, problems);
  const names = [...new Set(sections.databases.rows.map((row) => row.value.name))];
  if (names.length === 0 && sections.complete && sections.databases.broken.length === 0) {
    problems.push(problemAt(wholly(flags.config), "MISSING", "there is no [[databases]] entry", "at least one database to serve"));
  }
  const databases = names.map((name) => {
    const found: Problem[] = [];
    const database = databaseOf(name, sections, found, notes);
    // Serving a database takes no schema administrator; resharding it does, and says so then.
    problems.push(...found.filter(({ code }) => code !== "SCHEMA_ADMIN"));
    return database;
  });
  const rehearsals = rehearsalsOf(documents, names, environment, problems);
  const { general } = sections;
  const admin: AdminRow = mergedTable(documents, "admin", ADMIN, environment, problems);
  const adminName = admin.name ?? "admin";
  if (names.includes(adminName)) problems.push(problemAt(wholly(flags.config), "CONFLICT", `the admin database ${quoted(adminName)} has the name of a [[databases]] entry`, "another name in [admin]"));
  const tls = tlsOf(general, flags.config, problems);
  const authentication = general.auth_type ?? "scram";
  if (authentication === "md5") problems.push(problemAt(wholly(flags.config), "UNSUPPORTED", 'auth_type = "md5" is not supported: it can be broken', '"scram", or "plain" over TLS'));
  if (problems.length > 0) throw new ConfigurationError(inOrder(problems));
  return {
    host: general.host ?? DEFAULT_HOST,
    port: general.port ?? DEFAULT_PORT,
    tls,
    authentication: authentication === "md5" ? "scram" : authentication,
    admin: { name: adminName, user: admin.user ?? "admin", password: admin.password },
    limits: {
      maxClients: general.max_clients ?? DEFAULT_MAX_CLIENTS,
      loginTimeout: general.client_login_timeout ?? DEFAULT_LOGIN_TIMEOUT,
      idleTimeout: general.client_idle_timeout ?? 0,
      queryTimeout: general.query_timeout ?? 0,
      crossShardLockTimeout: general.cross_shard_lock_timeout ?? DEFAULT_CROSS_SHARD_LOCK_TIMEOUT,
    },
    twoPhaseCommit: general.two_phase_commit ?? false,
    stateDirectory: resolve(general.state_directory ?? dirname(flags.config)),
    databases,
    clients: databases.flatMap(({ name }) => clientsOf(name, sections)),
    ownLogins: ownLogins(sections),
    rehearsals,
    notes,
  };
}

function rehearsalsOf(documents: readonly TomlDocument[], names: readonly string[], environment: Environment, problems: Problem[]): readonly RehearsalRow[] | undefined {
  const rows = documents.flatMap((document) => readRows(document, ["rehearsals"], arrayOfTables(document, "rehearsals", environment, problems), REHEARSALS, problems).rows);
  for (const row of rows) {
    for (const key of ["database", "destination"] as const) {
      const name = row.value[key];
      if (!names.includes(name)) problems.push(problemAt(placeOf(row, key), "UNKNOWN_DATABASE", `no [[databases]] entry defines ${quoted(name)}`, `one of ${names.map(quoted).join(", ")}`, didYouMean(name, names)));
    }
  }
  return rows.length === 0 ? undefined : rows.map(({ value }) => value);
}

function tlsOf({ tls_certificate: certificate, tls_private_key: privateKey }: GeneralRow, config: string, problems: Problem[]): ServeConfiguration["tls"] {
  if (certificate === undefined && privateKey === undefined) return undefined;
  if (certificate === undefined || privateKey === undefined) {
    problems.push(problemAt(wholly(config), "CONFLICT", "[general] has only one of tls_certificate and tls_private_key", "both, or neither"));
    return undefined;
  }
  // Paths in a file are meant from where the file is.
  return { certificate: resolve(dirname(config), certificate), privateKey: resolve(dirname(config), privateKey) };
}

function clientsOf(database: string, sections: Sections): ClientLogin[] {
  const users = sections.users.rows.map((row) => row.value).filter((user) => isFor(user, database));
  return users.map((user) => ({
    user: user.name,
    database,
    passwords: [...(user.password === undefined ? [] : [user.password]), ...(user.passwords ?? [])],
    server: { user: serverUser(user), password: serverPassword(user) },
  }));
}

function ownLogins(sections: Sections): Map<string, ServerLogin> {
  const entries = sections.databases.rows.map(({ value }) => value);
  return new Map(entries.flatMap(({ host, port, name, database_name: database = name, user, password }) => (user === undefined ? [] : [[`${host}:${port}/${database}`, { user, password }]])));
}

function wholly(file: string): Place {
  return { file, line: 0, column: 0 };
}

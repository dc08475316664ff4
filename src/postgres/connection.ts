import pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { type ErrorDetails, ReshardError } from "../errors.js";
import { reasonOf, sqlState } from "./server-errors.js";

export interface SessionOptions {
  /** Shown in pg_stat_activity; also how a later run finds sessions that outlived this one. */
  readonly applicationName: string;
  /** A session on the source: the server itself refuses writes. */
  readonly readOnly?: boolean;
  /** Speak the replication protocol (simple queries only). */
  readonly replication?: boolean;
  /** Statements go out without waiting for the answers to those before; no COPY then. */
  readonly pipeline?: boolean;
  /** Further run-time parameters. */
  readonly parameters?: Readonly<Record<string, string>>;
}

/**
 * Parameters of every session: nothing may time out in the middle of a long copy, and values that pass as text must
 * read the same whatever the server's defaults are.
 */
const PARAMETERS: Readonly<Record<string, string>> = {
  statement_timeout: "0",
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  idle_session_timeout: "0",
  search_path: "pg_catalog",
  DateStyle: "ISO,YMD",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  extra_float_digits: "1",
  bytea_output: "hex",
  client_encoding: "UTF8",
  lc_monetary: "C",
  // It takes seconds to compile what the catalog answers in milliseconds: function scans are estimated high.
  jit: "off",
};

/** `host:port/database`, as errors name a server. */
export function displayAddress(address: ServerAddress): string {
  return `${address.host}:${address.port}/${address.database}`;
}

/** Opens a session. Fails with a `ReshardError` that says which server and what to look at. */
export async function connect(address: ServerAddress, options: SessionOptions): Promise<pg.Client> {
  if (address.sslmode !== "prefer") return await open(address, options, sslOf(address.sslmode));
  try {
    return await open(address, options, { rejectUnauthorized: false });
  } catch (error) {
    const refused = error instanceof ReshardError ? error.cause : error;
    if (!(refused instanceof Error) || !refused.message.includes("does not support SSL")) throw error;
    return await open(address, options, false);
  }
}

/** The server process behind a session, as pg_stat_activity names it. */
export function backendOf(client: pg.Client): number | undefined {
  return "processID" in client && typeof client.processID === "number" ? client.processID : undefined;
}

/** Sessions that are over, whoever ended them. */
const ended = new WeakSet<pg.Client>();

/** Whether a session that `connect` opened is known to be over. */
export function hasEnded(client: pg.Client): boolean {
  return ended.has(client);
}

/** Ends a session without caring how it ends: used where the outcome is known already. */
export async function endQuietly(client: pg.Client | undefined): Promise<void> {
  await client?.end().catch(() => undefined);
}

async function open(address: ServerAddress, options: SessionOptions, ssl: pg.ClientConfig["ssl"]): Promise<pg.Client> {
  const parameters = {
    ...PARAMETERS,
    ...(options.readOnly === true ? { default_transaction_read_only: "on" } : {}),
    ...options.parameters,
  };
  const config: pg.ClientConfig & { replication?: "database"; pipeline?: boolean } = {
    host: address.host,
    port: address.port,
    database: address.database,
    user: address.user,
    ...(address.password === undefined ? {} : { password: address.password }),
    application_name: options.applicationName,
    options: Object.entries(parameters).map(([name, value]) => `-c ${name}=${value.replaceAll(/[\\ ]/g, "\\$&")}`).join(" "),
    keepAlive: true,
    ssl,
    ...(options.pipeline === true ? { pipeline: true } : {}),
    ...(options.replication === true ? { replication: "database" as const } : {}),
  };
  const client = new pg.Client(config);
  // A lost connection also fails the query under way; without a listener Node would end the process.
  client.on("error", () => undefined);
  client.once("end", () => { ended.add(client); });
  try {
    await client.connect();
    return client;
  } catch (cause) {
    await endQuietly(client);
    throw connectionError(address, cause);
  }
}

function sslOf(mode: "disable" | "require" | "verify-ca" | "verify-full"): pg.ClientConfig["ssl"] {
  switch (mode) {
    case "disable":
      return false;
    case "require":
      return { rejectUnauthorized: false };
    case "verify-ca":
      return { rejectUnauthorized: true, checkServerIdentity: () => undefined };
    case "verify-full":
      return { rejectUnauthorized: true };
  }
}

function connectionError(address: ServerAddress, cause: unknown): ReshardError {
  const server = displayAddress(address);
  const details = (remedy: string, kind: ErrorDetails["kind"] = "operator"): ErrorDetails => ({ remedy, kind, place: { server }, cause });
  // node-postgres, asked for a password that it was not given.
  const state = /^SASL: .*client password must be a/.test(reasonOf(cause)) ? "28P01" : sqlState(cause);
  switch (state) {
    case "28P01":
    case "28000":
      return new ReshardError("LOGIN_REFUSED", `${server} refused the login of user "${address.user}": ${reasonOf(cause)}.`, details(
        "Check user and password ([[users]] with schema_admin = true, or user and password in [[databases]]) and the server's pg_hba.conf.",
      ));
    case "3D000":
      return new ReshardError("DATABASE_MISSING", `${server}: the database "${address.database}" does not exist.`, details(
        "Create it, or correct database_name in [[databases]].",
      ));
    case "42501":
      return new ReshardError("PRIVILEGE_MISSING", `${server}: ${reasonOf(cause)}.`, details(`Grant what is missing to user "${address.user}".`));
    default:
      return new ReshardError("SERVER_UNREACHABLE", `Cannot connect to ${server}: ${reasonOf(cause)}.`, details(
        "Check host, port and sslmode in [[databases]], and that the server runs and accepts connections from here.",
        state === undefined || state.startsWith("57P") || state === "53300" ? "retry" : "operator",
      ));
  }
}

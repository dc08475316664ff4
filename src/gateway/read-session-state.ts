import { parse } from "pgsql-parser";
import { quoteLiteral } from "../postgres/identifiers.js";
import { parseRowDescription } from "../wire/backend-messages.js";
import { describeMessage } from "../wire/frontend-messages.js";
import { Backend, type Message } from "../wire/message.js";
import type { ServerSession } from "../wire/open-server.js";
import { runBatch, runQuery } from "../wire/run-query.js";
import { WireError } from "../wire/wire-error.js";
import type { ParameterType, PreparedStatement, SessionState } from "./session-state.js";
import type { StatementWatch } from "./statement-watch.js";

/** Set for the questions themselves, and read before. */
const OWN_SETTINGS = ["statement_timeout", "search_path", "standard_conforming_strings"] as const;
/** Of a transaction, not of the session. */
const NOT_OF_SESSIONS = ["transaction_isolation", "transaction_read_only", "transaction_deferrable"];

/** What keeps a session where it is, in words. Temporary objects are of any kind: a temporary schema outlives what was in it. */
const OBSTACLES = `
  SELECT 'it has temporary tables' WHERE EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_my_temp_schema())
  UNION ALL SELECT 'it has temporary functions or types' WHERE EXISTS (SELECT FROM pg_proc WHERE pronamespace = pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_type WHERE typnamespace = pg_my_temp_schema() AND typrelid = 0 AND typelem = 0)
  UNION ALL SELECT 'it holds advisory locks' WHERE EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
  UNION ALL SELECT 'it has cursors WITH HOLD' WHERE EXISTS (SELECT FROM pg_cursors WHERE is_holdable)`;

const STATEMENTS = `
  SELECT p.name, p.statement, p.from_sql,
         (SELECT json_agg(json_build_object('oid', t.oid::int8, 'name', format('%I.%I', n.nspname, t.typname)) ORDER BY k.position)
            FROM unnest(p.parameter_types::oid[]) WITH ORDINALITY AS k (oid, position) JOIN pg_type t ON t.oid = k.oid JOIN pg_namespace n ON n.oid = t.typnamespace)
    FROM pg_prepared_statements p ORDER BY p.prepare_time`;

/** Functions of users that set something by a constant name: `set_config('app.tenant', …)`, `SET app.tenant`. */
const NAMES_IN_FUNCTIONS = `
  SELECT DISTINCT lower(m.name[1]) FROM pg_proc p
   CROSS JOIN LATERAL regexp_matches(p.prosrc, '\\m(?:set_config\\s*\\(\\s*''|set\\s+(?:session\\s+|local\\s+)?)([[:alnum:]_$]+(?:[.][[:alnum:]_$]+)+)', 'gi') AS m (name)
   WHERE p.oid >= 16384 AND p.prosrc ~* '\\mset'`;

/**
 * What a session on an unsharded server has made of itself, asked of the server. It is idle, and it is of no use to its
 * client afterwards. Throws a `WireError` 57P01 for what another server cannot be told.
 *
 * @param notify - is given NotificationResponses that come meanwhile.
 */
export async function readSessionState(server: ServerSession, watch: StatementWatch, notify: (message: Message) => void): Promise<SessionState> {
  if (watch.unknownSettings) throw unmovable("it called set_config with a name that is not a constant, so that its settings cannot be known");
  const own = OWN_SETTINGS.map((name) => `pg_catalog.current_setting('${name}')`).join(", ");
  const hidden = [...watch.settings].filter((name) => /^[\w$.]+$/.test(name)).map(quoteLiteral);
  const results = await runQuery(server, [
    "SELECT pg_catalog.current_setting('client_encoding')",
    "SET client_encoding TO 'UTF8'",
    `SELECT ${own}`,
    "SET statement_timeout TO 0",
    "SET search_path TO pg_catalog",
    "SET standard_conforming_strings TO on",
  ].join("; "), aside);
  const answers = await runQuery(server, [
    OBSTACLES,
    `SELECT name, setting FROM pg_settings WHERE source = 'session' AND name NOT IN (${["client_encoding", ...OWN_SETTINGS, ...NOT_OF_SESSIONS].map(quoteLiteral).join(", ")})`,
    `SELECT name, current_setting(name, true) FROM (SELECT unnest(ARRAY[${hidden.join(", ")}]::text[]) UNION ${NAMES_IN_FUNCTIONS}) AS n (name) WHERE name NOT IN (SELECT name FROM pg_settings) AND current_setting(name, true) IS NOT NULL`,
    "SELECT nullif(session_user, $user$) , nullif(current_setting('role'), 'none')".replace("$user$", quoteLiteral(server.address.user)),
    STATEMENTS,
    "SELECT pg_listening_channels()",
  ].join("; "), aside);
  const reset = await runQuery(server, `${OWN_SETTINGS.map((name) => `RESET ${name}; `).join("")}SELECT ${own}; RESET client_encoding; SELECT pg_catalog.current_setting('client_encoding')`, aside);

  function aside(message: Message): void {
    if (message.type === Backend.notificationResponse) notify(message);
  }

  const [obstacles, settings, custom, authorization, statements, channels] = answers;
  if (obstacles![0] !== undefined) throw unmovable(obstacles!.map(([what]) => what!).join(", "));
  const before = [...results[1]![0]!, ...results[0]![0]!];
  const after = [...reset[0]![0]!, ...reset[1]![0]!];
  const ownChanged = [...OWN_SETTINGS, "client_encoding"].flatMap((name, index) => (before[index] === after[index] ? [] : [[name, before[index]!] as const]));
  const prepared: PreparedStatement[] = [];
  for (const [name, text, fromSql, types] of statements!) {
    if (fromSql === "t") prepared.push(await sqlStatement(name!, text!));
    else {
      const resultTypes = watch.binaryResults ? await resultTypesOf(server, name!, aside) : undefined;
      prepared.push({ kind: "parse", name: name!, text: text!, parameterTypes: JSON.parse(types ?? "[]") as ParameterType[], resultTypes });
    }
  }
  const [sessionUser, role] = authorization![0]!;
  return {
    settings: new Map([...settings!, ...custom!].map(([name, value]) => [name!, value!] as const).concat(ownChanged)),
    sessionAuthorization: sessionUser ?? undefined,
    role: role ?? undefined,
    statements: prepared,
    channels: channels!.map(([channel]) => channel!),
  };
}

/** Undefined where it could not be executed any more either. */
async function resultTypesOf(server: ServerSession, name: string, aside: (message: Message) => void): Promise<number[] | undefined> {
  try {
    return resultTypesIn(await runBatch(server, [describeMessage({ kind: "statement", name })], aside));
  } catch (error) {
    if (error instanceof WireError && !error.fatal) return undefined;
    throw error;
  }
}

/** OIDs of the columns' types, out of what the server answered to Describe. */
export function resultTypesIn(answers: readonly Message[]): number[] {
  return answers.filter(({ type }) => type === Backend.rowDescription).flatMap((message) => parseRowDescription(message).map(({ typeOid }) => typeOid));
}

async function sqlStatement(name: string, text: string): Promise<PreparedStatement> {
  // The server keeps the whole text that the client sent; it may hold other statements, which must not be done again.
  const { stmts } = await parse(text);
  const found = stmts?.filter(({ stmt }) => stmt !== undefined && "PrepareStmt" in stmt && stmt.PrepareStmt.name === name) ?? [];
  if (found.length !== 1) throw unmovable(`of its prepared statement "${name}" the text is not known`);
  const { stmt_location: start = 0, stmt_len: length } = found[0]!;
  const bytes = Buffer.from(text);
  return { kind: "prepare", name, sql: bytes.toString("utf8", start, length === undefined ? bytes.length : start + length) };
}

/** The stated end of a session that cannot be moved. */
export function unmovable(reason: string): WireError {
  return new WireError("57P01", "terminating connection: the database has moved to other servers", {
    severity: "FATAL",
    detail: `This session could not be moved with it: ${reason}.`,
    hint: "Connect again.",
  });
}

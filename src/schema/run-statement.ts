import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { masked } from "../masked.js";
import { displayName } from "../postgres/identifiers.js";
import { displayAddress } from "../postgres/connection.js";
import { isRetryable, reasonOf, sqlState } from "../postgres/server-errors.js";
import { indexToDrop, type Presence, presenceQuery } from "./presence.js";
import { displayObject, type PlannedStatement } from "./schema-plan.js";

/** `ran`: it was missing, or does no harm to run again; `present`: the catalog has it already; `skipped`: it names a role that is not there. */
export type Outcome = "ran" | "present" | "skipped";

/** Tries against sessions of a killed run, which their server lets finish the statement they were at. */
const TRIES = 3;

/** Runs one statement unless what it makes is there. An index left invalid by a failed build is dropped and built anew. */
export async function runStatement(client: pg.Client, statement: PlannedStatement, roles: ReadonlySet<string>): Promise<Outcome> {
  if (statement.roles.some((role) => !roles.has(role))) return "skipped";
  const { presence } = statement;
  for (let attempt = 1; ; attempt++) {
    const state = presence === undefined ? undefined : await stateOf(client, presence);
    if (state === "present") return "present";
    if (state === "invalid") await client.query(`DROP INDEX ${indexToDrop(presence!)!}`);
    try {
      await client.query(statement.sql);
      return "ran";
    } catch (error) {
      if (isRetryable(error)) throw error;
      if (presence?.type === "by error" && presence.states.includes(sqlState(error) ?? "")) return "present";
      // Made by another session since we looked.
      if (presence !== undefined && (await stateOf(client, presence)) === "present") return "present";
      if (attempt === TRIES || !isRace(error)) throw error;
    }
  }
}

async function stateOf(client: pg.Client, presence: Presence): Promise<"present" | "invalid" | undefined> {
  const query = presenceQuery(presence);
  if (query === undefined) return undefined;
  // Planned once for a session, which asks the same of hundreds of objects.
  const { rows } = await client.query<{ state: "present" | "invalid" }>({ name: `present ${presence.type}${presence.type === "type" && presence.shell ? " shell" : ""}`, text: query.text, values: [...query.values] });
  return rows[0]?.state;
}

/** Two sessions changed one row of the catalog: simple_heap_update (heapam.c), or a unique index of pg_catalog. */
function isRace(error: unknown): boolean {
  if (/^tuple concurrently (updated|deleted)/.test(reasonOf(error))) return true;
  return sqlState(error) === "23505" && (error as { schema?: unknown }).schema === "pg_catalog";
}

/** The names of all roles of a server. */
export async function readRoles(client: pg.Client): Promise<Set<string>> {
  const { rows } = await client.query<{ rolname: string }>("SELECT rolname FROM pg_roles");
  return new Set(rows.map((row) => row.rolname));
}

/** As much of a statement as an error shows. */
const SHOWN_CHARACTERS = 1000;

/** undefined_function, invalid_table_definition and datatype_mismatch (utils/errcodes.txt): a function or view that insists on integer. */
const BIGINT_MISFITS = new Set(["42883", "42P16", "42804"]);

/** SCHEMA_STATEMENT_FAILED, with the shard, the statement and the server's own words. */
export function statementFailed(statement: PlannedStatement, shard: ServerAddress, cause: unknown): ReshardError {
  const server = displayAddress(shard);
  const shown = masked(statement.sql);
  const sql = shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)} …` : shown;
  const name = statement.object === undefined ? "" : ` ${displayObject(statement.object)}`;
  const words = serverWords(cause);
  const widened = /\bbigint\b/.test(words) && BIGINT_MISFITS.has(sqlState(cause) ?? "") ? ' If it is because integer keys became bigint, change what is named on the source, or set integer_primary_keys = "keep" in [general].' : "";
  return new ReshardError("SCHEMA_STATEMENT_FAILED", `${server}: ${statement.kind}${name} (${statement.phase}) failed: ${words}\n${sql}`, {
    remedy: `Put right what the server names and run the same command again: it goes on with what is missing. --ignore-errors leaves failed statements out.${widened}`,
    kind: isRetryable(cause) ? "retry" : "operator",
    place: { server, ...(statement.table === undefined ? {} : { table: displayName(statement.table) }) },
    cause,
  });
}

/** The server's message with its detail and hint. */
export function serverWords(error: unknown): string {
  const { detail, hint } = (typeof error === "object" && error !== null ? error : {}) as { detail?: unknown; hint?: unknown };
  return [reasonOf(error), detail, hint].filter((part) => typeof part === "string" && part !== "").join(" — ");
}

import { OBSTACLES, unmovable } from "../read-session-state.js";
import { FIRST_NORMAL_OID, type PreparedStatement, type SessionState } from "../session-state.js";
import { WireError } from "../../wire/wire-error.js";
import type { Prepared } from "./prepared-statements.js";
import { resultTypesOf } from "./result-types.js";
import type { SessionCore } from "./session-core.js";

/** The gateway's own, which no server needs to know. */
const OWN_SETTINGS = ["pgdog.shard", "pgdog.sharding_key"];

/**
 * What the session has made of itself: it is what the gateway has kept.
 *
 * Fails with a `WireError` 57P01 where a shard holds what cannot be moved.
 */
export async function sessionStateOf(core: SessionCore): Promise<SessionState> {
  const { shards, settings, statements, channels } = core;
  for (const session of shards.open) {
    const { rows } = await session.ask(OBSTACLES);
    if (rows.length > 0) throw unmovable(`on shard ${session.shard} ${rows.map(([what]) => what ?? "").join(", ")}`);
  }
  const names = await typeNames(core);
  const prepared: PreparedStatement[] = [];
  for (const [name, statement] of statements.named) prepared.push(await preparedStatement(core, name, statement, names));
  return {
    settings: new Map([...settings].filter(([name]) => name !== "role" && name !== "session_authorization" && !OWN_SETTINGS.includes(name))),
    sessionAuthorization: settings.get("session_authorization"),
    role: settings.get("role"),
    statements: prepared,
    channels: [...channels],
  };
}

async function preparedStatement(core: SessionCore, name: string, prepared: Prepared, names: ReadonlyMap<number, string>): Promise<PreparedStatement> {
  const { text, sql } = prepared;
  if (sql !== undefined) return { kind: "prepare", name, sql };
  const resultTypes = core.binaryResults ? await resultTypesOf(core, prepared).catch(unlessFatal) : undefined;
  return { kind: "parse", name, text, parameterTypes: typesOf(prepared).map((oid) => ({ oid, name: names.get(oid) ?? "" })), resultTypes };
}

/** It could not be executed any more here either. */
function unlessFatal(error: unknown): undefined {
  if (!(error instanceof WireError) || error.fatal) throw error;
}

/** The parameters' types as the client was told of them: it sends values in their formats. */
function typesOf({ parameterTypes, describedTypes }: Prepared): readonly number[] {
  return describedTypes ?? parameterTypes;
}

/** Names of users' types that statements have, by their OIDs here. */
async function typeNames({ statements, shards }: SessionCore): Promise<Map<number, string>> {
  const oids = [...new Set(statements.named.flatMap(([, prepared]) => typesOf(prepared).filter((oid) => oid >= FIRST_NORMAL_OID)))];
  const [session] = shards.open;
  if (oids.length === 0 || session === undefined) return new Map();
  const { rows } = await session.ask(`SELECT t.oid, pg_catalog.format('%I.%I', n.nspname, t.typname) FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (${session.types.toShard(oids).join(", ")})`);
  return new Map(rows.map(([oid, name]) => [session.types.toClient(Number(oid)), name!]));
}

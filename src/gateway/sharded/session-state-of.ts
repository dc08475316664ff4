import { OBSTACLES, unmovable } from "../read-session-state.js";
import { FIRST_NORMAL_OID, type PreparedStatement, type SessionState } from "../session-state.js";
import type { Prepared } from "./prepared-statements.js";
import type { SessionCore } from "./session-core.js";

/** The gateway's own, which no server needs to know. */
const OWN_SETTINGS = ["pgdog.shard", "pgdog.sharding_key"];

/**
 * What the session has made of itself: it is what the gateway has kept.
 *
 * Fails with a `WireError` 57P01 where a shard holds what cannot be moved.
 */
export async function sessionStateOf(core: SessionCore): Promise<SessionState> {
  const { shards, settings, statements } = core;
  for (const session of shards.open) {
    const { rows } = await session.ask(OBSTACLES);
    if (rows.length > 0) throw unmovable(`on shard ${session.shard} ${rows.map(([what]) => what ?? "").join(", ")}`);
  }
  const first = shards.open.find(({ shard }) => shard === 0);
  const channels = core.listens && first !== undefined ? (await first.ask("SELECT pg_listening_channels()")).rows.map(([channel]) => channel!) : [];
  const names = await typeNames(core);
  return {
    settings: new Map([...settings].filter(([name]) => name !== "role" && name !== "session_authorization" && !OWN_SETTINGS.includes(name))),
    sessionAuthorization: settings.get("session_authorization"),
    role: settings.get("role"),
    statements: statements.named.map(([name, prepared]) => preparedStatement(name, prepared, names)),
    channels,
  };
}

function preparedStatement(name: string, { text, sql, parameterTypes }: Prepared, names: ReadonlyMap<number, string>): PreparedStatement {
  if (sql !== undefined) return { kind: "prepare", name, sql };
  return { kind: "parse", name, text, parameterTypes: parameterTypes.map((oid) => ({ oid, name: names.get(oid) ?? "" })) };
}

/** Names of users' types that statements have, by their OIDs here. */
async function typeNames({ statements, shards }: SessionCore): Promise<Map<number, string>> {
  const oids = [...new Set(statements.named.flatMap(([, { parameterTypes }]) => parameterTypes.filter((oid) => oid >= FIRST_NORMAL_OID)))];
  const [session] = shards.open;
  if (oids.length === 0 || session === undefined) return new Map();
  const { rows } = await session.ask(`SELECT t.oid, pg_catalog.format('%I.%I', n.nspname, t.typname) FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (${session.types.toShard(oids).join(", ")})`);
  return new Map(rows.map(([oid, name]) => [session.types.toClient(Number(oid)), name!]));
}

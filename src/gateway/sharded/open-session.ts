import { backendKeyData, parameterStatus, readyForQuery } from "../../wire/backend-messages.js";
import { WireError } from "../../wire/wire-error.js";
import { listenTo } from "./listen-to.js";
import { restoreStatements } from "./restore-statements.js";
import { fixedSetting } from "../planning/plan-session.js";
import { unmovable } from "../read-session-state.js";
import type { SessionState } from "../session-state.js";
import type { SessionCore } from "./session-core.js";
import { settingName } from "./session-settings.js";
import type { ShardSession } from "./shard-session.js";

/** Settings of which the gateway has to know what they are without a SET. */
const ASKED = ["search_path", "lock_timeout", "extra_float_digits"];

/**
 * Opens the session on a first shard, and tells the client what it waits for; or brings it to the state of the session
 * before, and tells the client what is other now.
 *
 * Fails with a `WireError`: where the shard lets nobody in, or cannot be brought to that state (57P01).
 */
export async function openSession(core: SessionCore): Promise<void> {
  const { client, state, told } = core.context;
  const session = await core.shards.get(core.database.nextShard());
  checkEncoding(session);
  const { rows } = await session.ask(`SELECT ${ASKED.map((name) => `pg_catalog.current_setting('${name}')`).join(", ")}`);
  core.defaults = new Map(ASKED.map((name, index) => [name, rows[0]![index] ?? ""]));
  const { parameters } = session.server;
  if (state === undefined) {
    for (const [name, value] of parameters) told.set(name, value);
    for (const [name, value] of told) core.output.push(parameterStatus(name, value));
    core.output.push(backendKeyData(client.processId, client.secretKey));
    core.output.push(readyForQuery("I"));
  } else {
    for (const [name, value] of parameters) {
      if (told.get(name) === value || state.settings.has(name)) continue;
      told.set(name, value);
      core.output.push(parameterStatus(name, value));
    }
    await restore(core, session, state);
    core.tellParameters();
  }
  await core.output.flush();
}

/** Statements and sharding keys are read as UTF-8. */
function checkEncoding({ server }: ShardSession): void {
  const encoding = server.parameters.get("client_encoding") ?? "UTF8";
  if (/^(?:utf-?8|unicode|sql_ascii)$/i.test(encoding)) return;
  throw new WireError("0A000", `client_encoding ${encoding} is not supported on a sharded database`, { severity: "FATAL", hint: "Set client_encoding to UTF8 (PGCLIENTENCODING=UTF8)." });
}

async function restore(core: SessionCore, session: ShardSession, state: SessionState): Promise<void> {
  const settings = new Map([...state.settings].map(([name, value]) => [settingName(name), value]));
  for (const [name, value] of settings) {
    const refused = fixedSetting(name, value);
    if (refused !== undefined) throw unmovable(refused.reason);
  }
  if (state.sessionAuthorization !== undefined) settings.set("session_authorization", state.sessionAuthorization);
  if (state.role !== undefined) settings.set("role", state.role);
  core.settings = settings;
  try {
    await core.shards.align(session, settings);
    await restoreStatements(core, session, state.statements);
    await listenTo(core, new Set(state.channels));
  } catch (error) {
    if (error instanceof WireError && !error.fatal) throw unmovable(`the new servers refused its settings: ${error.message}`);
    throw error;
  }
}

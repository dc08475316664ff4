import { quoteIdentifier, quoteLiteral } from "../postgres/identifiers.js";
import { noticeResponse, parseParameterStatus } from "../wire/backend-messages.js";
import { closeMessage, describeMessage, parseMessage } from "../wire/frontend-messages.js";
import { Backend, type Message } from "../wire/message.js";
import type { ServerSession } from "../wire/open-server.js";
import { runBatch, runQuery } from "../wire/run-query.js";
import { WireError } from "../wire/wire-error.js";
import { resultTypesIn, unmovable } from "./read-session-state.js";
import { FIRST_NORMAL_OID, type ParameterType, type PreparedStatement, sameResult, type SessionState } from "./session-state.js";

/** Set last: the first would limit the restoring itself, and the texts here are UTF-8. */
const LAST_SETTINGS = ["statement_timeout", "client_encoding"];

/** What a session that was restored differs in from the one before. */
export interface Restored {
  /** ParameterStatus as the server tells it now. */
  readonly parameters: ReadonlyMap<string, string>;
  /** NoticeResponses for the client: prepared statements that this server refuses, which are gone. */
  readonly warnings: readonly Buffer[];
}

/** Makes a new session what another one was. Throws a `WireError` 57P01 where the server refuses. */
export async function restoreSessionState(server: ServerSession, state: SessionState): Promise<Restored> {
  const parameters = new Map(server.parameters);
  const hear = (message: Message): void => {
    if (message.type !== Backend.parameterStatus) return;
    const { name, value } = parseParameterStatus(message);
    parameters.set(name, value);
  };
  const settings = [...state.settings];
  const set = (entries: typeof settings): string[] => entries.map(([name, value]) => `SELECT pg_catalog.set_config(${quoteLiteral(name)}, ${quoteLiteral(value)}, false)`);
  const last = settings.filter(([name]) => LAST_SETTINGS.includes(name));
  const query = async (texts: readonly string[]): Promise<void> => {
    if (texts.length > 0) await runQuery(server, texts.join("; "), hear);
  };
  try {
    await query([
      "SET client_encoding TO 'UTF8'",
      ...set(settings.filter(([name]) => !LAST_SETTINGS.includes(name))),
      ...(state.sessionAuthorization === undefined ? [] : [`SET SESSION AUTHORIZATION ${quoteIdentifier(state.sessionAuthorization)}`]),
      ...(state.role === undefined ? [] : [`SET ROLE ${quoteIdentifier(state.role)}`]),
    ]);
    const warnings = await prepareAll(server, state.statements, hear);
    await query(state.channels.map((channel) => `LISTEN ${quoteIdentifier(channel)}`));
    await query(["RESET client_encoding", ...set(last)]);
    return { parameters, warnings };
  } catch (error) {
    if (error instanceof WireError && !error.fatal) throw unmovable(`the new server refused its settings: ${error.message}`);
    throw error;
  }
}

async function prepareAll(server: ServerSession, statements: readonly PreparedStatement[], hear: (message: Message) => void): Promise<Buffer[]> {
  const refused: Buffer[] = [];
  const refuse = (name: string, reason: string): void => {
    refused.push(noticeResponse("WARNING", {
      sqlState: "01000",
      message: `the prepared statement "${name}" was lost when the database moved to other servers: ${reason}`,
    }));
  };
  const oids = await typeOids(server, statements, hear);
  for (const statement of statements) {
    try {
      if (statement.kind === "prepare") {
        await runQuery(server, statement.sql, hear);
      } else {
        const parameterTypes = statement.parameterTypes.map((type) => {
          const oid = oidOf(type, oids);
          if (oid === undefined) throw new WireError("42704", `type ${type.name} does not exist`);
          return oid;
        });
        const { name, text, resultTypes } = statement;
        const named = { kind: "statement" as const, name };
        const answers = await runBatch(server, [parseMessage({ name, text, parameterTypes }), describeMessage(named)], hear);
        if (!sameResult(resultTypes, resultTypesIn(answers))) {
          await runBatch(server, [closeMessage(named)], hear);
          refuse(name, "cached plan must not change result type");
        }
      }
    } catch (error) {
      if (!(error instanceof WireError) || error.fatal) throw error;
      refuse(statement.name, error.message);
    }
  }
  return refused;
}

/** OIDs of users' types on this server, by name. */
async function typeOids(server: ServerSession, statements: readonly PreparedStatement[], hear: (message: Message) => void): Promise<Map<string, number>> {
  const types = statements.flatMap((statement) => (statement.kind === "parse" ? statement.parameterTypes : []));
  const names = [...new Set(types.filter(({ oid }) => oid >= FIRST_NORMAL_OID).map(({ name }) => name))];
  if (names.length === 0) return new Map();
  const [rows] = await runQuery(server, `SELECT n.name, pg_catalog.to_regtype(n.name)::oid FROM pg_catalog.unnest(ARRAY[${names.map(quoteLiteral).join(", ")}]) AS n (name)`, hear);
  return new Map(rows!.flatMap(([name, oid]) => (oid === null ? [] : [[name!, Number(oid)] as const])));
}

function oidOf({ oid, name }: ParameterType, oids: ReadonlyMap<string, number>): number | undefined {
  return oid < FIRST_NORMAL_OID ? oid : oids.get(name);
}

import type { ClientSession } from "../wire/accept-client.js";
import { backendKeyData, commandComplete, emptyQueryResponse, errorResponse, parameterStatus, readyForQuery, rowDescription, type TransactionStatus } from "../wire/backend-messages.js";
import { parseQuery } from "../wire/frontend-messages.js";
import { Frontend, type Message, protocolViolation } from "../wire/message.js";
import type { MessageStream } from "../wire/message-stream.js";
import { WireError } from "../wire/wire-error.js";
import { fieldsOf, noticesOf, rowsOf } from "./answer-messages.js";
import type { Answer, Column } from "./answer.js";
import { errorFields } from "./error-fields.js";
import { type AdminTools, columnsOf, executeCommand } from "./execute-command.js";
import { ExtendedProtocol } from "./extended-protocol.js";
import { NO_PARAMETERS, type ParameterText, parseCommand } from "./parse-command.js";
import type { Request, RequestHandler } from "./request.js";
import type { SelectFacts } from "./select-constants.js";
import { STANDARD_SETTINGS } from "./session-settings.js";
import { type SessionStatement, sessionStatement } from "./session-statement.js";
import { commandsIn, type Token } from "./tokens.js";

/** Settings that a client is told of when they change (GUC_REPORT, guc_tables.c), and at the start. */
const REPORTED: Readonly<Record<string, string>> = {
  application_name: "application_name",
  client_encoding: "client_encoding",
  datestyle: "DateStyle",
  default_transaction_read_only: "default_transaction_read_only",
  in_hot_standby: "in_hot_standby",
  integer_datetimes: "integer_datetimes",
  intervalstyle: "IntervalStyle",
  is_superuser: "is_superuser",
  server_encoding: "server_encoding",
  server_version: "server_version",
  session_authorization: "session_authorization",
  standard_conforming_strings: "standard_conforming_strings",
  timezone: "TimeZone",
};

/** What drivers take us for; psql warns of servers that are newer than itself. */
const SERVER_VERSION = "15.0";

/** Statements that end a failed transaction. */
const FAILED = new WireError("25P02", "current transaction is aborted, commands ignored until end of transaction block");

/** Serves a client of the admin database that has logged in, until it leaves. Never throws. */
export async function serveAdmin(client: ClientSession, tools: AdminTools): Promise<void> {
  await new AdminSession(client, tools).run();
}

/** A client of the admin database. */
class AdminSession implements RequestHandler {
  readonly #client: ClientSession;
  readonly #stream: MessageStream;
  readonly #tools: AdminTools;
  readonly #settings: Map<string, string>;
  readonly #extended: ExtendedProtocol;
  #status: TransactionStatus = "I";

  constructor(client: ClientSession, tools: AdminTools) {
    this.#client = client;
    this.#stream = client.stream;
    this.#tools = tools;
    this.#settings = new Map([
      ...Object.entries(STANDARD_SETTINGS),
      ["server_version", `${SERVER_VERSION} (pg-reshard ${tools.version})`],
      ["server_version_num", "150000"],
      ["session_authorization", client.user],
      ["application_name", client.parameters.get("application_name") ?? ""],
    ]);
    this.#extended = new ExtendedProtocol(this);
  }

  async run(): Promise<void> {
    try {
      const told = Object.entries(REPORTED).map(([name, spelled]) => parameterStatus(spelled, this.#settings.get(name) ?? ""));
      await this.#stream.write([...told, backendKeyData(this.#client.processId, this.#client.secretKey), readyForQuery(this.#status)]);
      for (;;) {
        const message = await this.#stream.read();
        if (message === undefined || message.type === Frontend.terminate) break;
        await this.#serve(message);
      }
      await this.#stream.end();
    } catch (error) {
      const told = errorFields(error);
      // Nobody is there any more to be told that the connection is lost.
      await this.#stream.end(told.sqlState === "08006" ? undefined : errorResponse(told)).catch(() => undefined);
    }
  }

  async #serve(message: Message): Promise<void> {
    switch (message.type) {
      case Frontend.query:
        this.#extended.forgetUnnamed();
        await this.#query(parseQuery(message).text);
        break;
      case Frontend.sync:
        await this.#stream.write([...this.#extended.sync(), readyForQuery(this.#status)]);
        break;
      case Frontend.functionCall:
        await this.#stream.write([errorResponse(new WireError("0A000", "The admin database has no functions to call.")), readyForQuery(this.#status)]);
        break;
      case Frontend.copyData:
      case Frontend.copyDone:
      case Frontend.copyFail:
        // As PostgreSQL does: left over from a COPY that failed.
        break;
      default: {
        if (!ExtendedProtocol.handles(message)) throw protocolViolation(`unexpected message ${String.fromCharCode(message.type)}`);
        await this.#stream.write(await this.#extended.serve(message));
      }
    }
  }

  /** A simple query: its commands one by one, up to the first that fails. */
  async #query(text: string): Promise<void> {
    try {
      const commands = commandsIn(text);
      if (commands.length === 0) await this.#stream.write(emptyQueryResponse);
      for (const tokens of commands) {
        const request = this.request(tokens);
        const answer = await this.answer(request);
        const { table } = answer;
        await this.#stream.write([
          ...noticesOf(answer),
          ...(table === undefined ? [] : [rowDescription(fieldsOf(table.columns)), ...rowsOf(answer)]),
          commandComplete(answer.tag),
          ...this.changedSettings(request),
        ]);
      }
    } catch (error) {
      await this.#stream.write(errorResponse(this.failed(error)));
    }
    await this.#stream.write(readyForQuery(this.#status));
  }

  request(tokens: readonly Token[], parameter: ParameterText = NO_PARAMETERS): Request {
    if (tokens.length === 0) return { kind: "empty" };
    const statement = sessionStatement(tokens, this.#facts());
    if (statement !== undefined) return { kind: "session", statement };
    return { kind: "command", command: parseCommand(tokens, parameter) };
  }

  async answer(request: Request): Promise<Answer> {
    const ends = request.kind === "session" && request.statement.kind === "acknowledged" && (request.statement.transaction === "commit" || request.statement.transaction === "rollback");
    if (this.#status === "E" && !ends) throw FAILED;
    switch (request.kind) {
      case "empty":
        return { table: undefined, tag: "", notices: [] };
      case "session":
        return this.#answerSession(request.statement);
      case "command": {
        const answer = await executeCommand(request.command, this.#tools);
        const { kind } = request.command;
        if (this.#status !== "T" || kind === "show") return answer;
        return { ...answer, notices: [...answer.notices, "Commands of the admin database take effect at once: ROLLBACK does not take them back."] };
      }
    }
  }

  #answerSession(statement: SessionStatement): Answer {
    switch (statement.kind) {
      case "rows":
        return { table: statement.table, tag: statement.tag, notices: [] };
      case "set":
        this.#settings.set(statement.name, statement.value);
        return { table: undefined, tag: statement.tag, notices: [] };
      case "acknowledged": {
        const failed = this.#status === "E";
        if (statement.transaction === "begin") this.#status = "T";
        else if (statement.transaction !== undefined) this.#status = "I";
        return { table: undefined, tag: failed && statement.transaction === "commit" ? "ROLLBACK" : statement.tag, notices: [] };
      }
    }
  }

  columnsOf(request: Request): readonly Column[] | undefined {
    if (request.kind === "command") return columnsOf(request.command);
    return request.kind === "session" && request.statement.kind === "rows" ? request.statement.table.columns : undefined;
  }

  changedSettings(request: Request): Buffer[] {
    if (request.kind !== "session" || request.statement.kind !== "set") return [];
    const { name, value } = request.statement;
    const spelled = Object.hasOwn(REPORTED, name) ? REPORTED[name] : undefined;
    return spelled === undefined ? [] : [parameterStatus(spelled, value)];
  }

  failed(error: unknown): WireError {
    const told = errorFields(error);
    // The connection is broken, or what came over it.
    if (told.fatal) throw told;
    if (this.#status === "T") this.#status = "E";
    return told;
  }

  #facts(): SelectFacts {
    const { user, database, processId } = this.#client;
    return { user, database, processId, version: `PostgreSQL ${SERVER_VERSION} (pg-reshard ${this.#tools.version}, admin database)`, settings: this.#settings, now: new Date() };
  }
}

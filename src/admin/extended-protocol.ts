import { bindComplete, closeComplete, commandComplete, emptyQueryResponse, errorResponse, noData, parameterDescription, parseComplete, portalSuspended, rowDescription } from "../wire/backend-messages.js";
import { type BindMessage, parseBind, parseExecute, parseNamed, parseParse } from "../wire/frontend-messages.js";
import { Frontend, isOfBatch, type Message } from "../wire/message.js";
import { WireError } from "../wire/wire-error.js";
import { fieldsOf, noticesOf, rowsOf } from "./answer-messages.js";
import { TYPES } from "./answer.js";
import { CommandSyntaxError } from "./command-syntax-error.js";
import type { Request, RequestHandler } from "./request.js";
import { commandsIn, type Token } from "./tokens.js";

interface Statement {
  readonly tokens: readonly Token[];
  /** How many parameters it has. */
  readonly parameters: number;
  /** As the client declared them, or text. */
  readonly types: readonly number[];
}

interface Portal {
  readonly request: Request;
  readonly resultFormats: readonly number[];
  /** What is left of the answer after an Execute that asked for some rows only. */
  rest: { readonly rows: readonly Buffer[]; readonly tag: string; sent: number } | undefined;
  done: boolean;
}

const INT8 = 20;
const INT4 = 23;
const INT2 = 21;

/** Prepared statements and portals of one client; after an error everything is ignored up to Sync. */
export class ExtendedProtocol {
  readonly #handler: RequestHandler;
  readonly #statements = new Map<string, Statement>();
  readonly #portals = new Map<string, Portal>();
  #failed = false;

  constructor(handler: RequestHandler) {
    this.#handler = handler;
  }

  static handles({ type }: Message): boolean {
    return isOfBatch(type) || type === Frontend.flush;
  }

  /** A simple query takes the unnamed statement and portal with it. */
  forgetUnnamed(): void {
    this.#statements.delete("");
    this.#portals.clear();
  }

  sync(): Buffer[] {
    this.#failed = false;
    this.#portals.clear();
    return [];
  }

  /** Answers to a message other than Sync. */
  async serve(message: Message): Promise<Buffer[]> {
    if (this.#failed) return [];
    try {
      switch (message.type) {
        case Frontend.parse:
          return this.#parse(message);
        case Frontend.bind:
          return this.#bind(parseBind(message));
        case Frontend.describe:
          return this.#describe(message);
        case Frontend.execute:
          return await this.#execute(message);
        case Frontend.close: {
          const { kind, name } = parseNamed(message);
          (kind === "statement" ? this.#statements : this.#portals).delete(name);
          return [closeComplete];
        }
        default:
          return [];
      }
    } catch (error) {
      const told = this.#handler.failed(error);
      this.#failed = true;
      return [errorResponse(told)];
    }
  }

  #parse(message: Message): Buffer[] {
    const { name, text, parameterTypes } = parseParse(message);
    if (name !== "" && this.#statements.has(name)) throw new WireError("42P05", `prepared statement "${name}" already exists`);
    const [tokens = [], ...others] = commandsIn(text);
    if (others.length > 0) throw new CommandSyntaxError("cannot insert multiple commands into a prepared statement");
    const parameters = tokens.reduce((most, token) => (token.kind === "parameter" ? Math.max(most, token.number) : most), 0);
    if (parameters > 16) throw new CommandSyntaxError(`there is no parameter $${parameters}`);
    // Whatever the parameters are, the form is right or wrong now.
    this.#handler.request(tokens, () => "1");
    this.#statements.set(name, { tokens, parameters, types: Array.from({ length: parameters }, (_, index) => parameterTypes[index] || TYPES.text.oid) });
    return [parseComplete];
  }

  #bind({ portal, statement, formats, values, resultFormats }: BindMessage): Buffer[] {
    const { tokens, parameters, types } = this.#statement(statement);
    if (values.length !== parameters) throw new WireError("08P01", `bind message supplies ${values.length} parameters, but prepared statement "${statement}" requires ${parameters}`);
    if (portal !== "" && this.#portals.has(portal)) throw new WireError("42P03", `cursor "${portal}" already exists`);
    const request = this.#handler.request(tokens, (number) => {
      const value = values[number - 1];
      if (value === undefined || value === null) throw new WireError("22004", `parameter $${number} is NULL; a name or a number is expected`);
      const format = (formats.length === 1 ? formats[0] : formats[number - 1]) ?? 0;
      return parameterText(value, types[number - 1]!, format);
    });
    if (resultFormats.some((format) => format !== 0 && format !== 1)) throw new WireError("22023", "unsupported format code");
    this.#portals.set(portal, { request, resultFormats, rest: undefined, done: false });
    return [bindComplete];
  }

  #describe(message: Message): Buffer[] {
    const { kind, name } = parseNamed(message);
    if (kind === "statement") {
      const { tokens, types } = this.#statement(name);
      const columns = this.#handler.columnsOf(this.#handler.request(tokens, () => "1"));
      return [parameterDescription(types), columns === undefined ? noData : rowDescription(fieldsOf(columns))];
    }
    const { request, resultFormats } = this.#portal(name);
    const columns = this.#handler.columnsOf(request);
    return [columns === undefined ? noData : rowDescription(fieldsOf(columns, resultFormats))];
  }

  async #execute(message: Message): Promise<Buffer[]> {
    const { portal: name, maxRows } = parseExecute(message);
    const portal = this.#portal(name);
    if (portal.request.kind === "empty") return [emptyQueryResponse];
    const answered: Buffer[] = [];
    if (portal.rest === undefined) {
      if (portal.done) throw new WireError("55000", `portal "${name}" cannot be run`);
      portal.done = true;
      const answer = await this.#handler.answer(portal.request);
      answered.push(...noticesOf(answer), ...this.#handler.changedSettings(portal.request));
      portal.rest = { rows: rowsOf(answer, portal.resultFormats), tag: answer.tag, sent: 0 };
    }
    const { rows, tag, sent } = portal.rest;
    const until = maxRows > 0 ? Math.min(rows.length, sent + maxRows) : rows.length;
    answered.push(...rows.slice(sent, until));
    portal.rest.sent = until;
    if (until < rows.length) return [...answered, portalSuspended];
    return [...answered, commandComplete(tag)];
  }

  #statement(name: string): Statement {
    const statement = this.#statements.get(name);
    if (statement === undefined) throw new WireError("26000", name === "" ? "unnamed prepared statement does not exist" : `prepared statement "${name}" does not exist`);
    return statement;
  }

  #portal(name: string): Portal {
    const portal = this.#portals.get(name);
    if (portal === undefined) throw new WireError("34000", `portal "${name}" does not exist`);
    return portal;
  }
}

/** A parameter as a word of the command: text as it is; numbers also in binary. */
function parameterText(value: Buffer, type: number, format: number): string {
  if (format === 0) return value.toString("utf8");
  const size = type === INT8 ? 8 : type === INT4 ? 4 : type === INT2 ? 2 : undefined;
  if (size === undefined) return value.toString("utf8");
  if (value.length !== size) throw new WireError("22P03", "incorrect binary data format in bind parameter");
  return String(size === 8 ? value.readBigInt64BE() : size === 4 ? value.readInt32BE() : value.readInt16BE());
}

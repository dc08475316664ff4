import type { WireError } from "../wire/wire-error.js";
import type { AdminCommand } from "./admin-command.js";
import type { Answer, Column } from "./answer.js";
import type { ParameterText } from "./parse-command.js";
import type { SessionStatement } from "./session-statement.js";
import type { Token } from "./tokens.js";

/** What a text asks for. */
export type Request = { readonly kind: "command"; readonly command: AdminCommand } | { readonly kind: "session"; readonly statement: SessionStatement } | { readonly kind: "empty" };

/** Does what a client asks for, whichever protocol it asks in. */
export interface RequestHandler {
  /** What the words ask for. Fails with a CommandSyntaxError. */
  request(tokens: readonly Token[], parameter?: ParameterText): Request;
  /** The columns that will be answered with; undefined for no rows. */
  columnsOf(request: Request): readonly Column[] | undefined;
  /** Does it. */
  answer(request: Request): Promise<Answer>;
  /** ParameterStatus of what it changed. */
  changedSettings(request: Request): Buffer[];
  /** What went wrong, as the client is told; a transaction block has failed with it. Throws what ends the session. */
  failed(error: unknown): WireError;
}

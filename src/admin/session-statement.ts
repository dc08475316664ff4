import { ReshardError } from "../errors.js";
import type { Table } from "./answer.js";
import { CommandSyntaxError } from "./command-syntax-error.js";
import { type SelectFacts, selectConstants } from "./select-constants.js";
import { SPELLINGS } from "./session-settings.js";
import type { Token } from "./tokens.js";

/** What a statement does that drivers and tools send by themselves. */
export type SessionStatement =
  | { readonly kind: "rows"; readonly table: Table; readonly tag: string }
  /** Nothing but its tag. */
  | { readonly kind: "acknowledged"; readonly tag: string; readonly transaction?: "begin" | "commit" | "rollback" }
  | { readonly kind: "set"; readonly tag: string; readonly name: string; readonly value: string };

/** Statements without an effect here: nothing of a session is kept that they could throw away. */
const ACKNOWLEDGED: Readonly<Record<string, string>> = {
  DISCARD: "DISCARD ALL",
  RESET: "RESET",
  UNLISTEN: "UNLISTEN",
  CLOSE: "CLOSE CURSOR",
  SAVEPOINT: "SAVEPOINT",
  RELEASE: "RELEASE",
};

const SETTING_NAME = /^[A-Za-z_][A-Za-z0-9_.]*$/;

/**
 * Reads a statement of those that drivers and tools send by themselves: settings, transaction blocks, constants.
 * Undefined where it is none.
 */
export function sessionStatement(tokens: readonly Token[], facts: SelectFacts): SessionStatement | undefined {
  const words = tokens.map((token) => (token.kind === "word" ? token.text.toUpperCase() : undefined));
  const [first, second] = words;
  if (first === undefined) return undefined;
  switch (first) {
    case "BEGIN":
    case "START":
      if (first === "START" && second !== "TRANSACTION") return undefined;
      return { kind: "acknowledged", tag: first === "START" ? "START TRANSACTION" : "BEGIN", transaction: "begin" };
    case "COMMIT":
    case "END":
      return { kind: "acknowledged", tag: "COMMIT", transaction: "commit" };
    case "ROLLBACK":
    case "ABORT":
      if (words.includes("TO")) return { kind: "acknowledged", tag: "ROLLBACK" };
      return { kind: "acknowledged", tag: "ROLLBACK", transaction: "rollback" };
    case "SET":
      return set(tokens, words);
    case "SELECT":
      return { kind: "rows", table: selectConstants(tokens.slice(1), facts), tag: "SELECT 1" };
    case "SHOW":
      return showSetting(words, tokens, facts);
    case "DEALLOCATE":
      // One by its name is the session's business.
      return second === "ALL" || words[2] === "ALL" ? { kind: "acknowledged", tag: "DEALLOCATE ALL" } : undefined;
    default:
      return Object.hasOwn(ACKNOWLEDGED, first) ? { kind: "acknowledged", tag: ACKNOWLEDGED[first]! } : undefined;
  }
}

/** SET [SESSION | LOCAL] name { = | TO } value, SET TIME ZONE value, SET TRANSACTION … */
function set(tokens: readonly Token[], words: readonly (string | undefined)[]): SessionStatement {
  const scope = words[1] === "SESSION" || words[1] === "LOCAL" ? 1 : 0;
  const named = words[1 + scope];
  if (named === "TRANSACTION" || named === "CHARACTERISTICS" || named === "ROLE" || named === "AUTHORIZATION") return { kind: "acknowledged", tag: "SET" };
  const [name, begin] = named === "TIME" && words[2 + scope] === "ZONE" ? ["timezone", 3 + scope] : named === "NAMES" ? ["client_encoding", 2 + scope] : [tokens[1 + scope]?.text ?? "", 3 + scope];
  const sign = tokens[2 + scope];
  if (!SETTING_NAME.test(name) || (begin === 3 + scope && named !== "TIME" && sign?.text !== "=" && words[2 + scope] !== "TO")) {
    const wrong = sign ?? tokens.at(-1)!;
    throw new CommandSyntaxError(`syntax error at or near "${wrong.text}"`, { position: wrong.at, remedy: "The form is: SET name = value" });
  }
  const value = tokens.slice(begin).map(({ text }) => text).join("");
  if (name.toLowerCase() === "client_encoding" && !/^(utf-?8|unicode|sql_ascii|default)$/i.test(value)) {
    throw new ReshardError("ENCODING_UNKNOWN", `The admin database speaks UTF8 only, not ${value}.`, { remedy: "SET client_encoding = 'UTF8'" });
  }
  return { kind: "set", tag: "SET", name: name.toLowerCase(), value: name.toLowerCase() === "client_encoding" ? "UTF8" : value };
}

function showSetting(words: readonly (string | undefined)[], tokens: readonly Token[], { settings }: SelectFacts): SessionStatement | undefined {
  if (words[1] === "ALL" && words.length === 2) {
    const rows = [...settings].map(([name, value]) => [SPELLINGS[name] ?? name, value, ""]);
    return { kind: "rows", tag: "SHOW", table: { columns: ["name", "setting", "description"].map((name) => ({ name, type: "text" })), rows } };
  }
  const text = words.slice(1).join(" ");
  const name = text === "TRANSACTION ISOLATION LEVEL" ? "transaction_isolation" : text === "TIME ZONE" ? "timezone" : text === "SESSION AUTHORIZATION" ? "session_authorization" : tokens.length === 2 ? tokens[1]!.text.toLowerCase() : "";
  const value = settings.get(name);
  return value === undefined ? undefined : { kind: "rows", tag: "SHOW", table: { columns: [{ name: SPELLINGS[name] ?? name, type: "text" }], rows: [[value]] } };
}

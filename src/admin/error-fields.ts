import { ReshardError } from "../errors.js";
import { sqlState } from "../postgres/server-errors.js";
import { WireError } from "../wire/wire-error.js";
import { CommandSyntaxError } from "./command-syntax-error.js";

/** SQLSTATEs of our own errors, where PostgreSQL has one that says the same (manual, appendix A). */
const STATES: Readonly<Record<string, string>> = {
  ALREADY_RUNNING: "55006",
  DEFECT: "XX000",
  ENCODING_UNKNOWN: "22023",
  NOT_SUPPORTED: "0A000",
  UNKNOWN_DATABASE: "3D000",
  SERVER_UNREACHABLE: "08001",
  LOGIN_REFUSED: "28000",
  PRIVILEGE_MISSING: "42501",
};

/** Of anything else that an operator has to put right: object_not_in_prerequisite_state. */
const OTHER_STATE = "55000";

/** An error as a client of the admin database is told it: our code is its detail, what to do its hint. */
export function errorFields(error: unknown): WireError {
  if (error instanceof WireError) return error;
  const known = error instanceof ReshardError ? error : new ReshardError("DEFECT", error instanceof Error ? error.message : String(error), { kind: "defect", remedy: "This is a fault of pg-reshard; please report it." });
  const state = known instanceof CommandSyntaxError ? known.sqlState : (STATES[known.code] ?? sqlState(known.cause) ?? (known.kind === "defect" ? "XX000" : OTHER_STATE));
  const position = known instanceof CommandSyntaxError ? known.position : undefined;
  const fields: readonly (readonly [string, string | undefined])[] = [
    ["S", "ERROR"],
    ["V", "ERROR"],
    ["C", state],
    // A zero byte would end the field.
    ["M", known.message.replaceAll("\0", " ")],
    ["D", known instanceof CommandSyntaxError ? undefined : `pg-reshard error ${known.code}`],
    ["H", known.remedy?.replaceAll("\0", " ")],
    ["P", position === undefined ? undefined : String(position)],
  ];
  return new WireError(state, known.message, { detail: undefined, hint: known.remedy, fields: new Map(fields.flatMap(([letter, text]) => (text === undefined ? [] : [[letter, text] as const]))) });
}

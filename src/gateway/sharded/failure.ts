import { WireError } from "../../wire/wire-error.js";
import type { ParseFailure } from "../planning/parse-statements.js";

/** An error for the client. */
export function failure(sqlState: string, message: string, details: { readonly detail?: string; readonly hint?: string } = {}): WireError {
  return new WireError(sqlState, message, details);
}

/** 0A000: it cannot be answered rightly over several shards. `what` is a noun: `ORDER BY … over several shards`. */
export function notYet(what: string, remedy: string): WireError {
  return failure("0A000", `${what} is not supported`, { hint: remedy });
}

/** A text that cannot be read, as the server says it. */
export function syntaxError({ sqlState, message, position }: ParseFailure): WireError {
  const fields = [["S", "ERROR"], ["V", "ERROR"], ["C", sqlState], ["M", message], ...(position === undefined ? [] : [["P", String(position)]])] as [string, string][];
  return new WireError(sqlState, message, { fields: new Map(fields) });
}

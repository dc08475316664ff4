import { ReshardError } from "../errors.js";
import { isRetryable, reasonOf, sqlState } from "../postgres/server-errors.js";

/** The code of the error for a row that a shard has no partition for. */
export const PARTITION_MISSING = "PARTITION_MISSING";

/** Turns what a server or socket said into an error that tells the operator what to do; others are passed on. */
export function explainError(error: unknown): unknown {
  if (error instanceof ReshardError) return error;
  const state = sqlState(error);
  if (isRetryable(error)) {
    return new ReshardError("CONNECTION_LOST", `A server or its connection did not come back: ${reasonOf(error)}.`, {
      kind: "retry",
      remedy: "See that all servers are up, then run the same command again: it goes on from what is done.",
      cause: error,
    });
  }
  if (state === undefined) return error;
  const detail = fieldOf(error, "detail");
  const where = fieldOf(error, "where");
  // check_violation, of a row for which no partition is there (ExecFindPartition, executor/execPartition.c).
  if (state === "23514" && fieldOf(error, "routine") === "ExecFindPartition") {
    return new ReshardError(PARTITION_MISSING, `A shard has no partition for a row: ${reasonOf(error)}${detail === undefined ? "" : `. ${detail}`}`, {
      remedy: "Create or attach the partition on every shard as it is on the source, then run the same command again: nothing was acknowledged past it.",
      cause: error,
    });
  }
  return new ReshardError(state === "42501" ? "PRIVILEGE_MISSING" : "SERVER_REFUSED", `A server refused a statement: ${reasonOf(error)} (SQLSTATE ${state})${detail === undefined ? "" : `. ${detail}`}${where === undefined ? "" : ` [${where}]`}.`, {
    remedy: "Put right what the server names, then run the same command again: nothing was acknowledged past it.",
    cause: error,
  });
}

function fieldOf(error: unknown, field: "detail" | "where" | "routine"): string | undefined {
  const value = typeof error === "object" && error !== null ? (error as Record<string, unknown>)[field] : undefined;
  return typeof value === "string" ? value.trim() : undefined;
}

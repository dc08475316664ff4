import { sqlState } from "../postgres/server-errors.js";

/**
 * in_failed_sql_transaction and invalid_sql_statement_name: echoes of an error before them. The second, where the
 * preparation of a statement that is sent twice failed so.
 */
const FAILED_BEFORE = new Set(["25P02", "26000"]);

/** Waits for what was sent at once; throws the error that the others only follow from. */
export async function inOrder(sent: readonly Promise<unknown>[]): Promise<void> {
  const errors = (await Promise.allSettled(sent)).flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
  if (errors.length > 0) throw errors.find((error) => !FAILED_BEFORE.has(sqlState(error) ?? "")) ?? errors[0];
}

import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { type Outcome, serverWords } from "./run-statement.js";
import type { PlannedStatement } from "./schema-plan.js";
import { runningOn, type StatementEvent } from "./schema-report.js";

export interface ReportedStatement {
  readonly shard: ServerAddress;
  readonly statement: PlannedStatement;
  /** Runs it. */
  readonly run: () => Promise<Outcome>;
  readonly onStatement: ((event: StatementEvent) => void) | undefined;
}

/** Tells that a statement begins on a shard's session, and how it ended; fails with what `run` fails with. */
export async function reportedStatement(client: pg.Client, { shard, statement, run, onStatement }: ReportedStatement): Promise<Outcome> {
  onStatement?.({ shard, statement, state: "running", ...runningOn(client) });
  let outcome: Outcome;
  try {
    outcome = await run();
  } catch (error) {
    onStatement?.({ shard, statement, state: "failed", message: serverWords(error) });
    throw error;
  }
  onStatement?.({ shard, statement, state: outcome });
  return outcome;
}

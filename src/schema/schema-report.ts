import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { backendOf, displayAddress } from "../postgres/connection.js";
import type { Outcome } from "./run-statement.js";
import type { Phase, PlannedStatement } from "./schema-plan.js";
import { counted } from "../words.js";

/** A statement's progress on one shard, for whoever shows it. */
export interface StatementEvent {
  readonly shard: ServerAddress;
  readonly statement: PlannedStatement;
  readonly state: "running" | "failed" | Outcome;
  /** The server process that runs it; of no meaning once it has ended. */
  readonly backend?: number;
  /** The server's message, where it failed. */
  readonly message?: string;
}

/** `backend` of an event, for a statement that a session runs. */
export function runningOn(client: pg.Client): Pick<StatementEvent, "backend"> {
  const backend = backendOf(client);
  return backend === undefined ? {} : { backend };
}

export interface FailedStatement {
  readonly statement: PlannedStatement;
  readonly message: string;
}

/** What became of a phase on one shard. */
export interface ShardReport {
  readonly shard: ServerAddress;
  /** How many statements ran, and how many were there already. */
  readonly ran: number;
  readonly present: number;
  /** Statements left out because they name a role that the shard does not have, by role. */
  readonly missingRoles: ReadonlyMap<string, readonly PlannedStatement[]>;
  /** Only with `ignoreErrors`. */
  readonly failed: readonly FailedStatement[];
}

export interface SchemaReport {
  readonly phase: Phase;
  readonly shards: readonly ShardReport[];
}

/** One line per thing a person should know: missing roles and failed statements. */
export function reportNotes(report: SchemaReport): string[] {
  return report.shards.flatMap(({ shard, missingRoles, failed }) => [
    ...[...missingRoles].map(([role, statements]) => {
      const kinds = [...new Set(statements.map((statement) => statement.kind))].join(", ");
      return `${displayAddress(shard)} has no role "${role}": ${counted(statements.length, "statement")} left out (${kinds}). Roles are not carried: create it and run this phase again.`;
    }),
    ...failed.map(({ statement, message }) => `${displayAddress(shard)}: ${statement.kind} failed: ${message}`),
  ]);
}

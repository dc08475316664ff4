import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { inLanes } from "../in-lanes.js";
import { endQuietly } from "../postgres/connection.js";
import type { TableName } from "../postgres/identifiers.js";
import { withUnitLock } from "./apply-keys.js";
import { reportedStatement } from "./reported-statement.js";
import { readRoles, runStatement, serverWords, statementFailed } from "./run-statement.js";
import { type Phase, type PlannedStatement, type SchemaPlan, statementsOf } from "./schema-plan.js";
import { type FailedStatement, type SchemaReport, type ShardReport, type StatementEvent } from "./schema-report.js";

export interface ApplyOptions {
  /** Opens a session that may change the shard, made ready by `prepareSession`. */
  readonly session: (shard: ServerAddress) => Promise<pg.Client>;
  /** Takes back a session whose statements all ended; others, and all where this is absent, are ended. */
  readonly keep?: (client: pg.Client, shard: ServerAddress) => void;
  /** Go on after a failed statement and list it in the report. */
  readonly ignoreErrors?: boolean;
  /** Index builds, or tables whose keys are built, at a time on one shard. Default 2. */
  readonly concurrency?: number;
  readonly onStatement?: (event: StatementEvent) => void;
}

/** Statements to run in order, under the lock of a key unit where they are one. */
interface Work {
  readonly statements: readonly PlannedStatement[];
  readonly unit?: TableName;
}

/** What may run at the same time. */
type Step = readonly Work[];

/**
 * Runs one phase on all shards in parallel, in order within a shard. Whatever is there already is left alone, so it can
 * be run again after it was stopped or killed at any point. `key` runs the keys of all tables; run it before `post`.
 *
 * Fails with SCHEMA_STATEMENT_FAILED at the first refused statement (other shards finish the one they are at), or with
 * `ignoreErrors` reports them all.
 */
export async function applySchema(plan: SchemaPlan, phase: Exclude<Phase, "skip">, shards: readonly ServerAddress[], options: ApplyOptions): Promise<SchemaReport> {
  const steps = phase === "key" ? [plan.keyUnits.filter((unit) => unit.statements.length > 0).map(({ root, statements }) => ({ statements, unit: root }))] : stepsOf(statementsOf(plan, phase));
  const stop = { failed: false };
  const outcomes = await Promise.allSettled(shards.map((shard) => applyToShard(steps, shard, options, stop)));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  return { phase, shards: outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : [])) };
}

/**
 * Neighbours that are parallel make one step, every other statement one of its own. ANALYZE comes after all indexes:
 * their expressions have statistics too.
 */
function stepsOf(statements: readonly PlannedStatement[]): Step[] {
  const steps: Work[][] = [];
  let wide: Work[] | undefined;
  let analyzing = false;
  for (const statement of statements) {
    if (analyzing !== (statement.kind === "analyze")) wide = undefined;
    analyzing = statement.kind === "analyze";
    if (statement.parallel && wide !== undefined) wide.push({ statements: [statement] });
    else {
      const step = [{ statements: [statement] }];
      wide = statement.parallel ? step : undefined;
      steps.push(step);
    }
  }
  return steps;
}

async function applyToShard(steps: readonly Step[], shard: ServerAddress, options: ApplyOptions, stop: { failed: boolean }): Promise<ShardReport> {
  const report = { shard, ran: 0, present: 0, missingRoles: new Map<string, PlannedStatement[]>(), failed: [] as FailedStatement[] };
  const sessions: pg.Client[] = [];
  const open = async (): Promise<pg.Client> => {
    const client = await options.session(shard);
    sessions.push(client);
    return client;
  };
  const one = async (client: pg.Client, statement: PlannedStatement, roles: ReadonlySet<string>): Promise<void> => {
    try {
      const outcome = await reportedStatement(client, { shard, statement, run: () => runStatement(client, statement, roles), onStatement: options.onStatement });
      if (outcome === "skipped") {
        for (const role of statement.roles) if (!roles.has(role)) report.missingRoles.set(role, [...(report.missingRoles.get(role) ?? []), statement]);
      } else report[outcome]++;
    } catch (error) {
      // Not the server's: whoever is told of statements has had enough.
      if (error instanceof ReshardError) throw error;
      const failure = statementFailed(statement, shard, error);
      // A lost connection would fail every statement that follows.
      if (options.ignoreErrors !== true || failure.kind === "retry") throw failure;
      report.failed.push({ statement, message: serverWords(error) });
    }
  };
  try {
    const roles = await readRoles(await open());
    for (const step of steps) {
      const there = [...sessions];
      await inLanes(step, {
        width: options.concurrency ?? 2,
        ready: there.length,
        open: async (lane) => there[lane] ?? (await open()),
        async work({ statements, unit }, client) {
          const run = async (): Promise<void> => {
            for (const statement of statements) if (!stop.failed) await one(client, statement, roles);
          };
          try {
            await (unit === undefined ? run() : withUnitLock(client, unit, run));
          } catch (error) {
            // What other lanes and shards are at ends after its statement.
            stop.failed = true;
            throw error;
          }
        },
      });
    }
    if (options.keep !== undefined) for (const client of sessions.splice(0)) options.keep(client, shard);
    return report;
  } catch (error) {
    stop.failed = true;
    throw error;
  } finally {
    await Promise.all(sessions.map(endQuietly));
  }
}

import { closing } from "../closing.js";
import type { ServerAddress } from "../config/types.js";
import { displayAddress } from "../postgres/connection.js";
import type { PlannedStatement } from "../schema/schema-plan.js";
import { reportedStatement } from "../schema/reported-statement.js";
import { runStatement, serverWords, statementFailed } from "../schema/run-statement.js";
import { fencedWork } from "./fenced-work.js";
import { checkStopped } from "./interrupted.js";
import { SchemaReporter } from "./schema-reporter.js";
import type { SchemaContext } from "./schema-sync.js";
import { patienceOf, withRetries } from "./with-retries.js";

/** What a phase that is planned by what the shards have needs of a migration; the schema's dump is not part of it. */
export type ShardsContext = Omit<SchemaContext, "schemaPlan">;

export interface ShardsPlan {
  /** By number of the shard. */
  readonly shards: readonly { readonly statements: readonly PlannedStatement[]; readonly present: number }[];
  readonly notes: readonly string[];
}

export interface RunOnShards {
  readonly phase: "cutover" | "post-cutover";
  /** Go on after a refused statement; each is reported as a note. */
  readonly ignoreErrors: boolean;
  /** What is missing by now: asked for again after passing trouble. */
  readonly plan: () => Promise<ShardsPlan>;
  /** Whether all is well afterwards; what it returns is told too. */
  readonly check?: () => Promise<readonly string[]>;
}

/** Over all shards. */
export interface ShardsReport {
  readonly ran: number;
  /** What was as it should be. */
  readonly present: number;
  /** Refused statements that `ignoreErrors` left out. */
  readonly failed: number;
}

const NO_ROLES: ReadonlySet<string> = new Set();

/** Runs a plan on all shards in parallel, and tells its notes. */
export async function runOnShards(context: ShardsContext, { phase, ignoreErrors, plan, check }: RunOnShards): Promise<ShardsReport> {
  const { report, signal, shards } = context;
  const result = { ran: 0, present: 0, failed: 0 };
  const reporter = new SchemaReporter({ phase, shards, report, sessions: context.sessions });
  const notes = await closing(reporter, () => withRetries({ ...patienceOf(context), what: `schema ${phase}` }, async () => {
    await context.lock.ensure();
    return await fencedWork(context, async () => {
      const planned = await plan();
      for (const [number, { statements }] of planned.shards.entries()) reporter.planned(number, statements);
      result.present = planned.shards.reduce((sum, { present }) => sum + present, 0);
      const outcomes = await Promise.allSettled(shards.map((shard, number) => runOnShard(shard, planned.shards[number]!.statements)));
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
      return [...planned.notes, ...((await check?.()) ?? [])];
    });
  }));
  for (const message of notes) report({ type: "note", message });
  return result;

  async function runOnShard(shard: ServerAddress, statements: readonly PlannedStatement[]): Promise<void> {
    if (statements.length === 0) return;
    await context.sessions.kept.useOnce(shard, "schema", async (client) => {
      for (const statement of statements) {
        checkStopped(signal);
        try {
          await reportedStatement(client, { shard, statement, run: () => runStatement(client, statement, NO_ROLES), onStatement: reporter.onStatement });
          result.ran++;
        } catch (error) {
          const failure = statementFailed(statement, shard, error);
          if (!ignoreErrors || failure.kind === "retry") throw failure;
          result.failed++;
          report({ type: "note", message: `${displayAddress(shard)}: ${statement.kind} failed: ${serverWords(error)}` });
        }
      }
    });
  }
}

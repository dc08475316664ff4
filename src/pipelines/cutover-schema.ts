import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { readSequenceColumns, readSequences, type Sequence } from "../postgres/sequences.js";
import { planSequences, type SequencesPlan, type ShardSequences, type ShardSequencesPlan } from "../schema/plan-sequences.js";
import { runStatement, serverWords, statementFailed } from "../schema/run-statement.js";
import { runningOn } from "../schema/schema-report.js";
import { prepareSession } from "../schema/session-settings.js";
import { checkStopped } from "./interrupted.js";
import type { SchemaContext } from "./schema-sync.js";
import { SchemaReporter } from "./schema-reporter.js";
import { withRetries } from "./with-retries.js";

/** What the cutover phase needs of a migration; the schema's dump is not part of it. */
export type CutoverContext = Omit<SchemaContext, "schemaPlan">;

export interface CutoverOptions {
  /** Go on after a refused statement; each is reported as a note. */
  readonly ignoreErrors?: boolean;
  /** In steps of the sequences; default `SEQUENCE_MARGIN`. */
  readonly margin?: bigint;
}

/** Over all shards. */
export interface CutoverReport {
  readonly ran: number;
  /** Sequences and sharding keys that were as they should be. */
  readonly present: number;
  /** Refused statements that `ignoreErrors` left out. */
  readonly failed: number;
}

const NO_ROLES: ReadonlySet<string> = new Set();

/**
 * The cutover phase of the schema, on all shards in parallel: sequences past the source's, shared as
 * `pipeline.sequences` says, and sharding keys that belong to the shard that makes them. Needs no journal and no slot.
 * What is as it should be is left alone, so it can be run again, and also while applications draw from the shards'
 * sequences; and before the cutover, so that less is left to do in it.
 *
 * Foreign keys that are NOT VALID are validated by `validateForeignKeys`, which may take long.
 */
export async function cutoverSchema(context: CutoverContext, { ignoreErrors, margin }: CutoverOptions = {}): Promise<CutoverReport> {
  const { pipeline, report, signal, shards } = context;
  const result = { ran: 0, present: 0, failed: 0 };
  const { reshardingCopyRetryMaxAttempts: maxAttempts, reshardingCopyRetryMinDelay: minDelay } = pipeline.general;
  const reporter = new SchemaReporter({ phase: "cutover", shards, report, session: (shard) => context.sessions.destination(shard, "monitor") });
  const plan = await withRetries({ what: "schema cutover", maxAttempts, minDelay, exponential: true, signal, report }, async () => {
    await context.lock.ensure();
    const planned = await cutoverPlan(context, margin);
    for (const [number, { statements }] of planned.shards.entries()) reporter.planned(number, statements);
    result.present = planned.shards.reduce((sum, { present }) => sum + present, 0);
    const outcomes = await Promise.allSettled(shards.map((shard, number) => runOnShard(shard, planned.shards[number]!)));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    return planned;

    async function runOnShard(shard: ServerAddress, { statements }: ShardSequencesPlan): Promise<void> {
      if (statements.length === 0) return;
      const client = await context.sessions.destination(shard, "schema");
      try {
        await prepareSession(client);
        for (const statement of statements) {
          checkStopped(signal);
          reporter.statement({ shard, statement, state: "running", ...runningOn(client) });
          try {
            await runStatement(client, statement, NO_ROLES);
            result.ran++;
          } catch (error) {
            reporter.statement({ shard, statement, state: "failed", message: serverWords(error) });
            const failure = statementFailed(statement, shard, error);
            if (ignoreErrors !== true || failure.kind === "retry") throw failure;
            result.failed++;
            report({ type: "note", message: `${displayAddress(shard)}: ${statement.kind} failed: ${serverWords(error)}` });
            continue;
          }
          reporter.statement({ shard, statement, state: "ran" });
        }
      } finally {
        await endQuietly(client);
      }
    }
  }).finally(() => reporter.close());
  for (const message of plan.notes) report({ type: "note", message });
  return result;
}

/** What `cutoverSchema` would do now. Only reads. */
export async function cutoverPlan({ pipeline, sessions, shards }: Pick<CutoverContext, "pipeline" | "sessions" | "shards">, margin?: bigint): Promise<SequencesPlan> {
  const [sources, facts] = await Promise.all([
    Promise.all(pipeline.from.shards.map(({ primary }) => reading(sessions.source(primary, "monitor"), readSequences))),
    Promise.all(shards.map((shard) => reading(sessions.destination(shard, "schema"), readShardSequences))),
  ]);
  checkSequencesThere(sources, facts, shards);
  return planSequences({ sources, shards: facts, sharding: pipeline.to.sharding, strategy: pipeline.sequences, ...(margin === undefined ? {} : { margin }) });
}

/** Fails where a shard has no sequence at all of the source's: its schema has not been made. */
function checkSequencesThere(sources: readonly (readonly Sequence[])[], facts: readonly ShardSequences[], shards: readonly ServerAddress[]): void {
  const empty = facts.findIndex(({ sequences }) => sequences.length === 0);
  if (empty < 0 || sources.every((sequences) => sequences.length === 0)) return;
  const server = displayAddress(shards[empty]!);
  throw new ReshardError("SCHEMA_MISSING", `${server} has none of the source's sequences.`, { place: { server }, remedy: "Make the schema first: pg-reshard schema-sync, without --cutover." });
}

async function readShardSequences(client: pg.Client): Promise<ShardSequences> {
  const sequences = await readSequences(client);
  const columns = await readSequenceColumns(client);
  const { rows } = await client.query<{ prosrc: string }>("SELECT prosrc FROM pg_proc WHERE proname = 'next_key' AND pronamespace = to_regnamespace('reshard')");
  return { sequences, columns, keyFunction: rows[0]?.prosrc };
}

async function reading<T>(session: Promise<pg.Client>, read: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await session;
  try {
    return await read(client);
  } finally {
    await endQuietly(client);
  }
}

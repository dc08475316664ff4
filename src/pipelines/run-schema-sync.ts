import type { Pipeline } from "../config/types.js";
import { type PublishedTable, readPublication } from "../postgres/catalog.js";
import { endQuietly } from "../postgres/connection.js";
import { renderPlan } from "../schema/render-plan.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import { withUnvalidatedForeignKeys } from "../schema/unvalidated-foreign-keys.js";
import type { Report } from "./events.js";
import { migrationId } from "./migration.js";
import { MigrationLock } from "./migration-lock.js";
import { type SchemaContext, syncSchema } from "./schema-sync.js";
import { Sessions } from "./sessions.js";
import { sourceSchemaPlan } from "./source-schema-plan.js";

export interface SchemaSyncRun {
  readonly pipeline: Pipeline;
  /** `pre` is tables and primary keys, `post` everything that is built over the rows. */
  readonly phase: "pre" | "post";
  readonly report: Report;
  /** Aborted when the operator asks to stop: no further statement begins. */
  readonly signal: AbortSignal;
  /** Go on after a refused statement; each is reported as a note. */
  readonly ignoreErrors?: boolean;
}

export interface SchemaSyncResult {
  /** Statements over all shards. */
  readonly ran: number;
  /** What was there already. */
  readonly present: number;
  /** Refused statements that `ignoreErrors` left out. */
  readonly failed: number;
}

/**
 * Schema sync on its own, for who moves a database step by step: it needs neither journal nor slot, and does what is
 * missing each time it is called. It holds the migration's lock, so that it and a run keep out of each other's way.
 */
export async function runSchemaSync({ pipeline, phase, report, signal, ignoreErrors }: SchemaSyncRun): Promise<SchemaSyncResult> {
  for (const note of pipeline.notes) report({ type: "note", message: note });
  const sessions = new Sessions(migrationId(pipeline));
  const shards = pipeline.to.shards.map((shard) => shard.primary);
  // All servers are tried before any of them is changed.
  for (const shard of shards) await endQuietly(await sessions.destination(shard, "schema"));
  const plan = sourcePlan(pipeline, sessions, report);
  const lock = new MigrationLock(shards[0]!, sessions, migrationId(pipeline));
  const context: SchemaContext = { pipeline, report, signal, shards, sessions, lock, schemaPlan: () => plan };
  try {
    const result = { ran: 0, present: 0, failed: 0 };
    for (const part of phase === "pre" ? (["pre", "key"] as const) : (["post"] as const)) {
      const done = await syncSchema(context, { phase: part, ...(ignoreErrors === undefined ? {} : { ignoreErrors }) });
      for (const shard of done.shards) {
        result.ran += shard.ran;
        result.present += shard.present;
        result.failed += shard.failed.length;
      }
    }
    return result;
  } finally {
    await lock.release();
  }
}

/** The SQL that a phase would run on empty shards, for psql or for a person's eyes. Connects to the source alone. */
export async function schemaSyncSql({ pipeline, phase, report }: Pick<SchemaSyncRun, "pipeline" | "phase" | "report">): Promise<string> {
  for (const note of pipeline.notes) report({ type: "note", message: note });
  const plan = await sourcePlan(pipeline, new Sessions(migrationId(pipeline)), report);
  return renderPlan(plan, phase === "pre" ? ["pre", "key", "skip"] : ["post"]);
}

async function sourcePlan(pipeline: Pipeline, sessions: Sessions, report: Report): Promise<SchemaPlan> {
  const source = pipeline.from.shards[0]!.primary;
  const client = await sessions.source(source, "monitor");
  let tables: readonly PublishedTable[];
  try {
    ({ tables } = await readPublication(client, pipeline.publication));
  } finally {
    await endQuietly(client);
  }
  return withUnvalidatedForeignKeys(await sourceSchemaPlan(pipeline, source, tables, report));
}

import type { Pipeline, SchemaPhase } from "../config/types.js";
import { closing } from "../closing.js";
import { readPublication } from "../postgres/catalog.js";
import { endQuietly } from "../postgres/connection.js";
import { renderCutover } from "../schema/render-cutover.js";
import { renderPlan } from "../schema/render-plan.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import { withUnvalidatedForeignKeys } from "../schema/unvalidated-foreign-keys.js";
import { cutoverPlan } from "./cutover-schema.js";
import type { Report } from "./events.js";
import { postCutoverPlan } from "./post-cutover-schema.js";
import { migrationId } from "./migration.js";
import { MigrationLock } from "./migration-lock.js";
import { schemaParameters } from "./schema-parameters.js";
import { type SchemaContext, syncSchemaPhases, unvalidatedForeignKeys, validation } from "./schema-sync.js";
import { Sessions } from "./sessions.js";
import { sourceSchemaPlan } from "./source-schema-plan.js";
import { syncShards } from "./sync-shards.js";

export interface SchemaSyncRun {
  readonly pipeline: Pipeline;
  readonly phase: SchemaPhase;
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
  const sessions = new Sessions(migrationId(pipeline), schemaParameters(pipeline.general));
  const shards = pipeline.to.shards.map((shard) => shard.primary);
  // All servers are tried before any of them is changed.
  for (const shard of shards) await endQuietly(await sessions.destination(shard, "schema"));
  const lock = new MigrationLock(shards[0]!, sessions, migrationId(pipeline));
  const options = ignoreErrors === undefined ? {} : { ignoreErrors };
  try {
    if (phase === "cutover" || phase === "post-cutover") return await syncShards({ pipeline, report, signal, shards, sessions, lock }, { phase, ...options });
    const plan = await sourcePlan(pipeline, sessions, report);
    const context: SchemaContext = { pipeline, report, signal, shards, sessions, lock, schemaPlan: () => Promise.resolve(plan) };
    const result = { ran: 0, present: 0, failed: 0 };
    for (const done of await syncSchemaPhases(context, { phases: phase === "pre" ? ["pre", "key"] : ["post"], ...options })) {
      for (const shard of done.shards) {
        result.ran += shard.ran;
        result.present += shard.present;
        result.failed += shard.failed.length;
      }
    }
    return result;
  } finally {
    await Promise.all([sessions.kept.close(), lock.release()]);
  }
}

/**
 * The SQL that a phase would run, for psql or for a person's eyes: `pre` and `post` on empty shards, and only the source
 * is connected to; `cutover` and `post-cutover` on the shards as they are.
 */
export async function schemaSyncSql({ pipeline, phase, report }: Pick<SchemaSyncRun, "pipeline" | "phase" | "report">): Promise<string> {
  for (const note of pipeline.notes) report({ type: "note", message: note });
  if (phase === "cutover") return await cutoverSql(pipeline, report);
  if (phase === "post-cutover") return await postCutoverSql(pipeline, report);
  const notes: string[] = [];
  const noting: Report = (event) => {
    if (event.type === "note") notes.push(event.message);
    report(event);
  };
  const sessions = new Sessions(migrationId(pipeline));
  const plan = await closing(sessions.kept, () => sourcePlan(pipeline, sessions, noting));
  return renderPlan(plan, phase === "pre" ? ["pre", "key", "skip"] : ["post"], { notes, parameters: schemaParameters(pipeline.general) });
}

async function cutoverSql(pipeline: Pipeline, report: Report): Promise<string> {
  const sessions = new Sessions(migrationId(pipeline));
  const shards = pipeline.to.shards.map((shard) => shard.primary);
  return await closing(sessions.kept, async () => {
    const plan = await cutoverPlan({ pipeline, sessions, shards });
    for (const message of plan.notes) report({ type: "note", message });
    const parts = await Promise.all(
      shards.map(async (shard, number) => {
        const { statements } = plan.shards[number]!;
        const keys = await sessions.kept.use(shard, "journal", unvalidatedForeignKeys);
        return { shard, statements: [...statements, ...keys.map((key, index) => validation(key, statements.length + index))] };
      }),
    );
    return renderCutover("cutover", parts, plan.notes);
  });
}

async function postCutoverSql(pipeline: Pipeline, report: Report): Promise<string> {
  const servers = { pipeline, sessions: new Sessions(migrationId(pipeline)), shards: pipeline.to.shards.map((shard) => shard.primary) };
  const plan = await closing(servers.sessions.kept, () => postCutoverPlan(servers));
  for (const message of plan.notes) report({ type: "note", message });
  return renderCutover("post-cutover", servers.shards.map((shard, number) => ({ shard, statements: plan.shards[number]!.statements })), plan.notes);
}

async function sourcePlan(pipeline: Pipeline, sessions: Sessions, report: Report): Promise<SchemaPlan> {
  const { tables } = await sessions.kept.use(pipeline.from.shards[0]!.primary, "monitor", (client) => readPublication(client, pipeline.publication));
  return withUnvalidatedForeignKeys(await sourceSchemaPlan(pipeline, sessions, tables, report));
}

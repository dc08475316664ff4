import { closing } from "../closing.js";
import type { Pipeline, Stage } from "../config/types.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import { readJournal } from "../progress/journal.js";
import { renderPlan } from "../schema/render-plan.js";
import { phaseStatements, type SchemaPlan } from "../schema/schema-plan.js";
import type { TableRoute } from "../sharding/table-route.js";
import { copyOutStatement } from "../sources/copy-table.js";
import { migrationId, type MigrationOptions, slotNames } from "./migration.js";
import { type ChainOf, PipelineOperators } from "./pipeline-operators.js";
import { checkSource, type SourceFacts } from "./preflight.js";
import { reading } from "./reading.js";
import { schemaParameters } from "./schema-parameters.js";
import { Sessions } from "./sessions.js";
import { readSlot } from "./slot-state.js";
import { sourceSchemaPlan } from "./source-schema-plan.js";
import { checkSourcesAlike } from "./source-shard.js";
import { stageName } from "./stage-name.js";
import { tableAfter } from "./table-after.js";
import { shapeOf } from "./table-shapes.js";
import { copyFormatOf } from "./value-formats.js";

/** What a stage would do, as far as it can be known beforehand. */
export interface StagePlan {
  /** As events and the journal name it. */
  readonly stage: string;
  readonly settings: Stage;
  /** The journal has it as finished: it is not done again. */
  readonly done: boolean;
  /** schema_sync: statements by kind, on each shard. */
  readonly statements?: readonly { readonly kind: string; readonly count: number }[];
  /** copy, verify: the tables, the largest first. */
  readonly tables?: readonly TablePlan[];
  /** copy, replicate: slots on the source shards. */
  readonly slots?: readonly { readonly server: string; readonly slot: string; readonly exists: boolean }[];
  /** What would be run: on each shard (schema_sync), on the source (copy). */
  readonly sql?: string;
}

/** A table of one source shard. Rows and bytes are the server's estimates. */
export interface TablePlan {
  readonly table: string;
  readonly sourceShard: number;
  readonly rows: number;
  readonly bytes: number;
  /** `key user_id`, `shard 0`, `every shard`. */
  readonly to: string;
  /** Names of the pipeline's own operators for it. */
  readonly operators: readonly string[];
  readonly format: "binary" | "text";
}

export interface PipelinePlan {
  readonly migration: string;
  readonly begun: boolean;
  readonly stages: readonly StagePlan[];
}

/** Reads from the servers what each stage would do, in order. Nothing is made or changed, no lock is taken. Fails as a run would. */
export async function planPipeline({ pipeline, report, chainOf: given }: Pick<MigrationOptions, "pipeline" | "report" | "chainOf">): Promise<PipelinePlan> {
  const migration = migrationId(pipeline);
  const sessions = new Sessions(migration);
  return await closing(sessions.kept, async () => {
    const slots = slotNames(pipeline);
    const operators = await PipelineOperators.load(pipeline, report);
    const chainOf = given ?? operators.chainOf;
    const sources = await Promise.all(pipeline.from.shards.map(({ primary }, number) => sessions.kept.use(primary, "monitor", async (client) => ({
      address: primary,
      facts: await checkSource(client, pipeline, primary, number === 0 ? { chainOf, checkTables: operators.checkTables } : { chainOf }),
      slot: { server: displayAddress(primary), slot: slots[number]!, exists: (await readSlot(client, slots[number]!)) !== undefined },
    }))));
    const sourceRoutes = checkSourcesAlike(pipeline, sources);
    const first = pipeline.to.shards[0]!.primary;
    const entry = (await reading(sessions.destination(first, "monitor"), readJournal)).find(({ id }) => id === migration);
    for (const shard of pipeline.to.shards.slice(1)) await endQuietly(await sessions.destination(shard.primary, "monitor"));
    const tables = sources.flatMap(({ facts }, number) => tablesOf(pipeline, facts, number, chainOf, (id) => number === 0 || sourceRoutes.get(id)?.kind !== "omnisharded")).sort((a, b) => b.plan.bytes - a.plan.bytes);
    let schema: Promise<SchemaPlan> | undefined;
    const schemaPlan = (): Promise<SchemaPlan> => (schema ??= sourceSchemaPlan(pipeline, sessions, sources[0]!.facts.publication.tables, report));
    const stages: StagePlan[] = [];
    for (const stage of pipeline.stages) {
      const name = stageName(stage);
      stages.push({ stage: name, settings: stage, done: entry?.finishedStages.includes(name) === true, ...(await partsOf(stage, { pipeline, schemaPlan, tables, slots: sources.map(({ slot }) => slot) })) });
    }
    return { migration, begun: entry !== undefined, stages };
  });
}

interface Known {
  readonly pipeline: Pipeline;
  readonly schemaPlan: () => Promise<SchemaPlan>;
  readonly tables: readonly { readonly plan: TablePlan; readonly sql: string }[];
  readonly slots: NonNullable<StagePlan["slots"]>;
}

async function partsOf(stage: Stage, { pipeline, schemaPlan, tables, slots }: Known): Promise<Pick<StagePlan, "statements" | "tables" | "slots" | "sql">> {
  switch (stage.type) {
    case "schema_sync": {
      // What the others do depends on the shards' state by then: `schema-sync --dry-run` tells it.
      if (stage.phase !== "pre" && stage.phase !== "post") return {};
      const plan = await schemaPlan();
      const copies = pipeline.stages.some(({ type }) => type === "copy");
      const phases = stage.phase === "post" ? (["post"] as const) : copies ? (["pre"] as const) : (["pre", "key"] as const);
      const kinds = new Map<string, number>();
      for (const { kind } of phases.flatMap((phase) => phaseStatements(plan, phase))) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      const statements = [...kinds].map(([kind, count]) => ({ kind, count })).sort((a, b) => b.count - a.count);
      return { statements, sql: renderPlan(plan, [...phases], { notes: [], parameters: schemaParameters(pipeline.general) }) };
    }
    case "copy":
      return { tables: tables.map(({ plan }) => plan), slots, sql: tables.map(({ sql }) => `${sql};\n`).join("") };
    case "replicate":
      return { slots };
    case "verify":
      return { tables: tables.map(({ plan }) => plan) };
    default:
      return {};
  }
}

function tablesOf(pipeline: Pipeline, { publication, routes }: SourceFacts, sourceShard: number, chainOf: ChainOf, takes: (id: string) => boolean): { plan: TablePlan; sql: string }[] {
  return publication.tables.filter((table) => takes(tableId(table))).map((table) => {
    const chain = chainOf(shapeOf(table));
    const format = copyFormatOf(tableAfter(table, chain), pipeline);
    return {
      plan: { table: displayName(table), sourceShard, rows: Math.max(0, table.estimatedRows), bytes: table.bytes, to: placeOf(routes.get(tableId(table))!), operators: chain?.operators.map(({ name }) => name) ?? [], format },
      sql: copyOutStatement(table, format),
    };
  });
}

function placeOf(route: TableRoute): string {
  switch (route.kind) {
    case "omnisharded":
      return "every shard";
    case "fixed":
      return `shard ${route.shard}`;
    case "key":
      return `key ${route.column}`;
  }
}

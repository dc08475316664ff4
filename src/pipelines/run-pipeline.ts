import { isDeepStrictEqual } from "node:util";
import type pg from "pg";
import type { Pipeline, Stage } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { journalPhase, journalStageFinished } from "../progress/journal.js";
import { carryOver, takeOverAddedTables } from "./carry-over.js";
import { runCommandStage } from "./command-stage.js";
import { configuredTraffic } from "./configured-traffic.js";
import { copyTables } from "./copy.js";
import { type CutoverResult, cutOver, type SettleCutover, settleCutover, type SettledCutover } from "./cutover.js";
import type { Report } from "./events.js";
import { runFlowStage } from "./flow/flow-stage.js";
import { checkFlows } from "./flow/run-flows.js";
import { checkStopped } from "./interrupted.js";
import { explainError } from "./explain-error.js";
import { makesSchema } from "./makes-schema.js";
import { beginningOf, type Migration, type MigrationOptions, openMigration } from "./migration.js";
import { tellingOpenTransactions } from "./open-transactions.js";
import { replicate } from "./replicate.js";
import { reversePipeline } from "./reverse-pipeline.js";
import { type CarriedOver, carriedOverOf } from "./schema-changed.js";
import { type SchemaSyncPhase, syncSchemaPhases, validateForeignKeys } from "./schema-sync.js";
import { stageName } from "./stage-name.js";
import { syncShards } from "./sync-shards.js";
import { isSound, type TableVerdict } from "./table-verdict.js";
import type { Side, Traffic } from "./traffic.js";
import { verify } from "./verify.js";
import { listed } from "../words.js";

export interface RunOptions {
  readonly pipeline: Pipeline;
  readonly report: Report;
  /** Aborted when the operator asks to stop. */
  readonly signal: AbortSignal;
  readonly ignoreErrors?: boolean;
  /** Makes the pipeline's own operators for a table. */
  readonly chainOf?: MigrationOptions["chainOf"];
  /** What a cutover stage, or one back, holds back and moves; by default what the configuration names. */
  readonly trafficOf?: (pipeline: Pipeline) => Traffic;
  /** Awaited before each stage: for who runs a pipeline inside a larger play, as the demo does. */
  readonly beforeStage?: (stage: Stage) => Promise<void>;
}

export interface RunResult {
  /** Of the last verify stage; empty without one. */
  readonly verdicts: readonly TableVerdict[];
  readonly sound: boolean;
  /** Of the cutover stage, where this run did it. */
  readonly cutover?: CutoverResult;
  /** Given where the pipeline has a cutover stage that is done. */
  readonly inCharge?: Side;
}

/**
 * Runs a pipeline's stages in order. What the journal calls finished is not done again; everything else can be, so that
 * a run that was stopped or killed is continued by the same call. One that has a cutover stage settles first what a
 * cutover before has left, and streams the way back once the destination is in charge.
 */
export async function runPipeline(options: RunOptions): Promise<RunResult> {
  const { pipeline, report, signal } = options;
  checkFlows(pipeline.stages);
  for (const note of pipeline.notes) report({ type: "note", message: note });
  if (pipeline.stages.some((stage) => stage.type === "cutover")) {
    if (pipeline.operators.length > 0) throw operatorsBeforeCutover(pipeline);
    const trafficOf = options.trafficOf ?? configuredTraffic;
    // Where there is none, that is told before anything is begun.
    trafficOf(pipeline);
    if ((await settled({ pipeline, trafficOf, report, signal })).inCharge === "destination") {
      for (const stage of pipeline.stages) report({ type: "stage-finished", stage: stageName(stage), milliseconds: 0, skipped: true });
      return { ...(await streamBack(options)), inCharge: "destination" };
    }
  }
  const result = await runStagesOf(options);
  if (result.cutover === undefined) return result;
  const { verdicts, sound } = await streamBack(options);
  return { ...result, verdicts: [...result.verdicts, ...verdicts], sound: result.sound && sound, inCharge: "destination" };
}

/** What streams back would overwrite the source's rows by what operators made of them. */
function operatorsBeforeCutover({ operators }: Pipeline): ReshardError {
  return new ReshardError("CUTOVER_WITH_OPERATORS", `Applications cannot be moved to rows that passed operators (${listed(operators.map(({ name }) => `"${name}"`))}): there would be no way back.`, {
    place: operators[0]!.place,
    remedy: "Leave out the stage of type \"cutover\", or the operators.",
  });
}

async function settled(options: SettleCutover): Promise<SettledCutover> {
  try {
    return await settleCutover(options);
  } catch (error) {
    throw explainError(error);
  }
}

/** After a cutover, until the operator stops it. */
async function streamBack(options: RunOptions): Promise<RunResult> {
  const { pipeline, report, signal } = options;
  if (!pipeline.cutover.reverse) {
    report({ type: "note", message: "Nothing streams back: the slots of the way back keep what is written on the shards, and their WAL grows, until `pg-reshard finish`." });
    return { verdicts: [], sound: true };
  }
  if (signal.aborted) return { verdicts: [], sound: true };
  return await runStagesOf({ ...options, pipeline: reversePipeline(pipeline) });
}

async function runStagesOf(options: RunOptions): Promise<RunResult> {
  const { pipeline, report, signal } = options;
  let migration: Migration | undefined;
  try {
    const opening = { pipeline, report, signal, ...(options.chainOf === undefined ? {} : { chainOf: options.chainOf }), ...beginningOf(pipeline) };
    migration = await openMigration(opening);
    let verdicts: readonly TableVerdict[] = [];
    let cutover: CutoverResult | undefined;
    let verified = false;
    for (const stage of pipeline.stages) {
      checkStopped(signal);
      await options.beforeStage?.(stage);
      const name = stageName(stage);
      const started = Date.now();
      report({ type: "stage-started", stage: name });
      const skipped = migration.entry.finishedStages.includes(name);
      if (!skipped) {
        if (stage.type !== "verify") await note(migration, (client, id) => journalPhase(client, id, name));
        for (let carried: CarriedOver | undefined; ; ) {
          const opened: Migration = migration;
          try {
            if (stage.type === "cutover") {
              cutover = await tellingOpenTransactions(opened, () => cutOver({ migration: opened, traffic: (options.trafficOf ?? configuredTraffic)(pipeline), verified }));
              break;
            }
            const found = await tellingOpenTransactions(opened, () => runStage(opened, stage, options));
            if (found !== undefined) verdicts = found;
            verified = found?.every(isSound) === true;
            break;
          } catch (error) {
            const change = carriedOverOf(explainError(error));
            if (pipeline.onDdl !== "apply" || change === undefined || isDeepStrictEqual(change, carried)) throw error;
            // Everything is read anew: what is published, how tables are defined and where their rows go.
            carried = change;
            await migration.close();
            migration = await openMigration(opening);
            await carryOver(migration, carried);
          }
        }
        migration.tellFigures();
        if (isLasting(stage)) await note(migration, (client, id) => journalStageFinished(client, id, name));
      }
      report({ type: "stage-finished", stage: name, milliseconds: Date.now() - started, ...(skipped ? { skipped } : {}) });
    }
    return { verdicts, sound: verdicts.every(isSound), ...(cutover === undefined ? {} : { cutover }) };
  } catch (error) {
    throw explainError(error);
  } finally {
    await migration?.close();
  }
}

async function note(migration: Migration, write: (client: pg.Client, id: string) => Promise<void>): Promise<void> {
  await migration.journal((client) => write(client, migration.id));
}

/**
 * Stages that are done once and for all; streaming and verifying go on from wherever they are, every time, and the
 * cutover's phases follow a source that has gone on.
 */
function isLasting(stage: Stage): boolean {
  return stage.type === "copy" || makesSchema(stage);
}

async function runStage(migration: Migration, stage: Exclude<Stage, { type: "cutover" }>, options: RunOptions): Promise<readonly TableVerdict[] | undefined> {
  const { stages } = options.pipeline;
  const ignoreErrors = options.ignoreErrors === true ? { ignoreErrors: true } : {};
  switch (stage.type) {
    case "schema_sync":
      if (stage.phase === "cutover" || stage.phase === "post-cutover") {
        await syncShards(migration, { phase: stage.phase, ...ignoreErrors });
        return undefined;
      }
      await syncSchemaPhases(migration, { phases: phasesOf(stage.phase, stages), ...ignoreErrors });
      return undefined;
    case "copy":
      await copyTables(migration, { buildKeys: stages.some(makesSchema) });
      return undefined;
    case "replicate": {
      // It may go on for weeks.
      migration.sessions.kept.end("schema");
      await takeOverAddedTables(migration);
      const reached = await replicate(migration, { kind: stage.until });
      if (reached) await validateForeignKeys(migration);
      return undefined;
    }
    case "verify":
      if (migration.entry.phase !== "none") await takeOverAddedTables(migration);
      return await verify(migration);
    case "command": {
      const { pipeline: { from, to }, report, signal } = options;
      await runCommandStage(stage, { sides: { from: from.name, to: to.name }, report, signal });
      return undefined;
    }
    case "flow": {
      const { pipeline: { general }, report, signal } = options;
      await runFlowStage(stage, { general, report, signal });
      return undefined;
    }
  }
}

/**
 * Keys come with the rows, and without a copy there is nothing to wait for; those of tables that are not published are
 * built at the latest before what needs them.
 */
function phasesOf(phase: "pre" | "post", stages: readonly Stage[]): readonly SchemaSyncPhase[] {
  if (phase === "post") return ["key", "post"];
  return stages.some(({ type }) => type === "copy") ? ["pre"] : ["pre", "key"];
}

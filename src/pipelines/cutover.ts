import type { Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";
import { reasonOf } from "../postgres/server-errors.js";
import { type CutoverDurations, type CutoverEntry, readCutover } from "../progress/cutover-journal.js";
import { CutoverRun, uncertain } from "./cutover-run.js";
import { isOver, type LeftWhy } from "./cutover-steps.js";
import { type CutoverEnd, driveCutover } from "./drive-cutover.js";
import type { Report } from "./events.js";
import { interrupted } from "./interrupted.js";
import { LiveReplication } from "./live-replication.js";
import { type Migration, migrationId, openMigration } from "./migration.js";
import { reading } from "./reading.js";
import { reversePipeline } from "./reverse-pipeline.js";
import { Sessions } from "./sessions.js";
import type { Side, Traffic } from "./traffic.js";
import { WayBack } from "./way-back.js";

export interface CutOver {
  readonly migration: Migration;
  /** The pipeline of the other direction: `reversePipeline` of the migration's, or what that was made of. */
  readonly back?: Pipeline;
  readonly traffic: Traffic;
  /** What streams by now, if anything does. Stopped by the switch; where the cutover is given up it goes on. */
  readonly replication?: LiveReplication;
  /** Source and shards were compared just before, and found equal. */
  readonly verified?: boolean;
  /** Aborted when the operator asks to give it up; the migration's where absent. */
  readonly signal?: AbortSignal;
}

export interface CutoverResult {
  /** Milliseconds that applications waited. */
  readonly paused: number | undefined;
  readonly durations: CutoverDurations;
}

/**
 * Moves the applications from a migration's source to its destination. Each step is journaled before it is taken, so that
 * `settleCutover` can finish or undo it after a crash. When it has resolved the destination is in charge, the forward slots
 * are gone and the way back can be streamed (a run of `back`). When it rejects the source is in charge and the applications
 * go on there; or the error says what is to be settled (CUTOVER_UNFINISHED, CUTOVER_UNCERTAIN).
 */
export async function cutOver(options: CutOver): Promise<CutoverResult> {
  const { migration, signal = migration.signal } = options;
  const known = await migration.journal((client) => readCutover(client, migration.id));
  if (!isOver(known)) throw unfinished(migration);
  const run = runOf(options, signal, undefined);
  try {
    return resultOf(migration, run, await driveCutover(known, "asked", run));
  } finally {
    await run.close();
  }
}

export interface SettleCutover {
  /** Of the first direction. */
  readonly pipeline: Pipeline;
  /** The traffic of a cutover by this pipeline: this one, or the way back's. */
  readonly trafficOf: (pipeline: Pipeline) => Traffic;
  readonly report: Report;
  readonly signal: AbortSignal;
}

export interface SettledCutover {
  /** The side of the pipeline that is in charge. */
  readonly inCharge: Side;
  /** Where one was finished: the migration's id, which tells the direction. */
  readonly finished?: string;
}

/**
 * What a process does before anything else: finishes or undoes what one that died has left of a cutover, or of the one back.
 */
export async function settleCutover({ pipeline, trafficOf, report, signal }: SettleCutover): Promise<SettledCutover> {
  const back = reversePipeline(pipeline);
  const entries = await readCutoverEntries(pipeline);
  let finished: string | undefined;
  for (const [way, other] of [[pipeline, back], [back, pipeline]] as const) {
    const entry = entries.get(migrationId(way));
    if (entry === undefined || isOver(entry)) continue;
    const migration = await openMigration({ pipeline: way, report, signal, filledElsewhere: true });
    try {
      const run = runOf({ migration, back: other, traffic: trafficOf(way) }, signal, entry);
      try {
        const end = await driveCutover(entry, "found", run);
        if (end.kind === "left") throw leftError(migration, end.why, end.failure);
        tell(migration, run, end);
        if (end.kind === "done") finished = migration.id;
      } finally {
        await run.close();
      }
    } finally {
      await migration.close();
    }
  }
  return { inCharge: sideInCharge(pipeline, entries.size === 0 ? entries : await readCutoverEntries(pipeline)), ...(finished === undefined ? {} : { finished }) };
}

/** Which side is in charge by the journals, where no cutover is under way. */
function sideInCharge(pipeline: Pipeline, entries: ReadonlyMap<string, CutoverEntry>): Side {
  // The cutover back forgets the one forward, and the other way round.
  return entries.get(migrationId(pipeline))?.outcome === "done" && entries.get(migrationId(reversePipeline(pipeline)))?.outcome !== "done" ? "destination" : "source";
}

/** The last cutovers of a pipeline in both directions, by the migrations' ids. Takes no lock and changes nothing. */
export async function readCutoverEntries(pipeline: Pipeline): Promise<ReadonlyMap<string, CutoverEntry>> {
  const entries = new Map<string, CutoverEntry>();
  for (const way of [pipeline, reversePipeline(pipeline)]) {
    const id = migrationId(way);
    const entry = await reading(new Sessions(id).destination(way.to.shards[0]!.primary, "monitor"), (client) => readCutover(client, id));
    if (entry !== undefined) entries.set(id, entry);
  }
  return entries;
}

function runOf({ migration, back, traffic, replication, verified = false }: CutOver, signal: AbortSignal, known: CutoverEntry | undefined): CutoverRun {
  const wayBack = new WayBack(migration, back ?? reversePipeline(migration.pipeline));
  return new CutoverRun({ migration, wayBack, traffic, replication: replication ?? new LiveReplication(migration), goesOn: replication !== undefined, verified, known, signal });
}

function resultOf(migration: Migration, run: CutoverRun, end: CutoverEnd): CutoverResult {
  if (end.kind === "left") throw leftError(migration, end.why, end.failure);
  tell(migration, run, end);
  if (end.kind === "aborted") throw end.failure;
  return { paused: run.paused, durations: run.durations };
}

function tell({ id, pipeline, report }: Migration, run: CutoverRun, end: Exclude<CutoverEnd, { kind: "left" }>): void {
  report({
    type: "cutover-ended", migration: id, outcome: end.kind, from: pipeline.from.name, to: pipeline.to.name,
    ...(run.paused === undefined ? {} : { paused: run.paused }),
    ...(end.kind === "done" || end.failure === undefined ? {} : { reason: reasonOf(end.failure) }),
  });
}

function leftError(migration: Migration, why: LeftWhy, failure: unknown): unknown {
  switch (why) {
    case "nothing begun":
      return failure ?? interrupted();
    case "unfinished":
      return unfinished(migration);
    case "uncertain":
      return failure instanceof ReshardError && failure.code === "CUTOVER_UNCERTAIN" ? failure : withCause(uncertain(migration, failure === undefined ? "nothing tells it" : reasonOf(failure)), failure);
    case "to be repeated":
      return withCause(unfinished(migration, failure), failure);
    case "switched by somebody else": {
      const { from, to } = migration.pipeline;
      return new ReshardError("CUTOVER_SWITCHED_ELSEWHERE", `A cutover was interrupted before it switched, and yet ${to.name} is in charge: somebody has switched by other means, and what ${from.name} had written last may be missing there.`, {
        remedy: `Lead the applications back to ${from.name} (${displayAddress(from.shards[0]!.primary)}), then run the same command again: the interrupted cutover is undone.`,
      });
    }
  }
}

function unfinished({ pipeline }: Migration, failure?: unknown): ReshardError {
  return new ReshardError("CUTOVER_UNFINISHED", `A cutover from ${pipeline.from.name} to ${pipeline.to.name} is not finished${failure === undefined ? "" : `: ${reasonOf(failure)}`}.`, {
    remedy: "Put right what failed, then run the same command again: it finishes or undoes the cutover first.",
  });
}

function withCause(error: ReshardError, cause: unknown): ReshardError {
  return cause === undefined ? error : new ReshardError(error.code, error.message, { kind: error.kind, place: error.place, cause, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) });
}

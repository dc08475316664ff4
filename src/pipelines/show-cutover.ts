import type { Pipeline } from "../config/types.js";
import { CUTOVER_STEPS, type CutoverEntry, type CutoverStep } from "../progress/cutover-journal.js";
import { readCutoverEntries } from "./cutover.js";
import { migrationId } from "./migration.js";
import { reversePipeline } from "./reverse-pipeline.js";

/** A step of the last cutover in one direction. */
export interface CutoverStepRow {
  readonly migration: string;
  readonly direction: "forward" | "back";
  readonly step: CutoverStep;
  readonly state: "waiting" | "running" | "done" | "failed" | "undone";
  /** Milliseconds; undefined where the step was not taken. */
  readonly elapsed: number | undefined;
  readonly startedAt: Date | undefined;
}

/** A cutover as a whole. */
export interface CutoverRow {
  readonly migration: string;
  readonly direction: "forward" | "back";
  readonly from: string;
  readonly to: string;
  readonly state: "running" | "undoing" | "aborted" | "done";
  readonly step: CutoverStep;
  /** Milliseconds that applications waited. */
  readonly paused: number | undefined;
  readonly reason: string | undefined;
  readonly startedAt: Date;
  readonly endedAt: Date | undefined;
  readonly steps: readonly CutoverStepRow[];
}

/** What the journals tell of a pipeline's last cutovers, forward and back, for SHOW CUTOVER: the one begun last comes first. */
export async function showCutover(pipeline: Pipeline): Promise<CutoverRow[]> {
  const entries = await readCutoverEntries(pipeline);
  return ([["forward", pipeline], ["back", reversePipeline(pipeline)]] as const)
    .flatMap(([direction, { from, to, ...way }]) => {
      const entry = entries.get(migrationId({ from, to, ...way }));
      return entry === undefined ? [] : [cutoverRow(entry, { direction, from: from.name, to: to.name })];
    })
    .sort((a, b) => b.startedAt.getTime() - a.startedAt.getTime());
}

/** A journal's entry as a row with its steps. */
export function cutoverRow(entry: CutoverEntry, way: Pick<CutoverRow, "direction" | "from" | "to">): CutoverRow {
  const at = CUTOVER_STEPS.indexOf(entry.step);
  const state = entry.outcome ?? "running";
  const { migration, step, paused, reason, startedAt, endedAt } = entry;
  return {
    migration, ...way, state, step, paused, reason, startedAt, endedAt,
    steps: CUTOVER_STEPS.map((name, index): CutoverStepRow => ({
      migration, direction: way.direction, step: name,
      state: index > at ? "waiting" : index < at ? (state === "aborted" ? "undone" : "done") : state === "running" ? "running" : state === "done" ? "done" : "failed",
      elapsed: entry.durations[name],
      startedAt: index === at ? entry.stepAt : undefined,
    })),
  };
}

import { ReshardError } from "../errors.js";
import { cutOver, settleCutover } from "../pipelines/cutover.js";
import type { Report } from "../pipelines/events.js";
import { explainError } from "../pipelines/explain-error.js";
import { openMigration } from "../pipelines/migration.js";
import type { Pipeline } from "../config/types.js";
import type { Traffic } from "../pipelines/traffic.js";
import type { TaskWays } from "./task-ways.js";

export interface CutoverOrder {
  readonly ways: TaskWays;
  readonly trafficOf: (pipeline: Pipeline) => Traffic;
  readonly report: Report;
  /** Aborted when the operator asks to stop: up to the switch it is given up then. */
  readonly signal: AbortSignal;
}

/** How a cutover ended. */
export type CutoverOutcome =
  /** The destination is in charge, and the way back can stream. */
  | { readonly kind: "switched" }
  /** The source is in charge, as if nothing had happened; `error` says why, where it was this process that gave up. */
  | { readonly kind: "given up"; readonly error: Error | undefined }
  /** Neither is sure yet, and nothing else may be done: to be settled later. */
  | { readonly kind: "unsettled"; readonly error: Error };

/** What leaves a cutover to be settled; see `cutOver`. */
const UNSETTLED = new Set(["CUTOVER_UNFINISHED", "CUTOVER_UNCERTAIN", "CUTOVER_SWITCHED_ELSEWHERE"]);

/** Moves the traffic from source to destination. It replicates itself meanwhile, so nothing else may of that migration. */
export async function runCutover({ ways, trafficOf, report, signal }: CutoverOrder): Promise<CutoverOutcome> {
  const { pipeline, opposite } = ways;
  return await outcomeOf(async () => {
    const migration = await openMigration({ pipeline, report, signal, filledElsewhere: true });
    try {
      await cutOver({ migration, back: opposite, traffic: trafficOf(pipeline) });
      return { kind: "switched" };
    } finally {
      await migration.close();
    }
  });
}

/** Finishes or undoes what a cutover has left that was not ended. */
export async function settle({ ways, trafficOf, report, signal }: CutoverOrder): Promise<CutoverOutcome> {
  const { pipeline, opposite, back } = ways;
  return await outcomeOf(async () => {
    const { inCharge } = await settleCutover({ pipeline: back ? opposite : pipeline, trafficOf, report, signal });
    return inCharge === (back ? "source" : "destination") ? { kind: "switched" } : { kind: "given up", error: undefined };
  });
}

async function outcomeOf(work: () => Promise<CutoverOutcome>): Promise<CutoverOutcome> {
  try {
    return await work();
  } catch (cause) {
    const explained = explainError(cause);
    const error = explained instanceof Error ? explained : new Error(String(explained));
    return { kind: error instanceof ReshardError && UNSETTLED.has(error.code) ? "unsettled" : "given up", error };
  }
}

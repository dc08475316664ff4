import type { Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { configuredTraffic } from "./configured-traffic.js";
import { type CutoverResult, cutOver, settleCutover } from "./cutover.js";
import type { Report } from "./events.js";
import { explainError } from "./explain-error.js";
import { migrationId, openMigration } from "./migration.js";
import { reversePipeline } from "./reverse-pipeline.js";
import type { Traffic } from "./traffic.js";

export interface RollBack {
  /** As it was cut over by. */
  readonly pipeline: Pipeline;
  readonly trafficOf?: (pipeline: Pipeline) => Traffic;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/**
 * Moves the applications back to the database that was left, by the same steps: what they wrote on the shards is there.
 * Afterwards the pipeline streams forward again, and can be cut over once more.
 * @returns undefined where one that was interrupted has only been finished
 */
export async function rollBack({ pipeline, trafficOf = configuredTraffic, report, signal }: RollBack): Promise<CutoverResult | undefined> {
  try {
    const back = reversePipeline(pipeline);
    const traffic = trafficOf(back);
    const { inCharge, finished } = await settleCutover({ pipeline, trafficOf, report, signal });
    if (finished === migrationId(back)) return undefined;
    if (inCharge === "source") {
      throw new ReshardError("NOT_CUT_OVER", `${pipeline.from.name} is in charge: there is nothing to go back from.`, { remedy: "`pg-reshard status` shows what was done." });
    }
    const migration = await openMigration({ pipeline: back, report, signal, filledElsewhere: true });
    try {
      return await cutOver({ migration, back: pipeline, traffic });
    } finally {
      await migration.close();
    }
  } catch (error) {
    throw explainError(error);
  }
}

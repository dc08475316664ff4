import { ReshardError } from "../errors.js";
import { readJournal } from "../progress/journal.js";
import { hasProgressTables } from "../progress/progress-tables.js";
import { readCutoverEntries } from "./cutover.js";
import { isOver } from "./cutover-steps.js";
import { type FinishOptions, type FinishResult, finishMigration } from "./finish.js";
import { migrationId } from "./migration.js";
import { reading } from "./reading.js";
import { reversePipeline } from "./reverse-pipeline.js";
import { Sessions } from "./sessions.js";

/** Ends a migration and, where it was cut over, the way back: nothing can be led back then. The way back's result comes second. */
export async function finishBothWays({ pipeline, dropProgress }: FinishOptions): Promise<readonly [FinishResult, FinishResult?]> {
  for (const entry of (await readCutoverEntries(pipeline)).values()) {
    if (isOver(entry)) continue;
    throw new ReshardError("CUTOVER_UNFINISHED", `A cutover of ${entry.migration} is not finished; its last step is "${entry.step}".`, { remedy: "Run the pipeline again first: it finishes or undoes the cutover before anything else." });
  }
  const back = reversePipeline(pipeline);
  const id = migrationId(back);
  const begun = await reading(new Sessions(id).destination(back.to.shards[0]!.primary, "monitor"), async (client) => (await hasProgressTables(client)) && (await readJournal(client)).some((entry) => entry.id === id));
  const forward = await finishMigration({ pipeline, dropProgress });
  return begun ? [forward, await finishMigration({ pipeline: back, dropProgress })] : [forward];
}

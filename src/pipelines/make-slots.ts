import { journalStageFinished } from "../progress/journal.js";
import { type MigrationOptions, openMigration } from "./migration.js";
import { ensureSlots, SLOTS_MADE } from "./replicate.js";

/**
 * Makes the slots of a migration whose rows are on the destination already, before the source's first write that the
 * destination lacks, and begins its journal. Waits for the transactions that are open on the source. Can be called again;
 * from the first time on a slot that is gone is an error, and never made anew.
 */
export async function makeSlots(options: Omit<MigrationOptions, "filledElsewhere" | "compareOnly">): Promise<void> {
  const migration = await openMigration({ ...options, filledElsewhere: true });
  try {
    await ensureSlots(migration);
    await migration.journal((client) => journalStageFinished(client, migration.id, SLOTS_MADE));
  } finally {
    await migration.close();
  }
}

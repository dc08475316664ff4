import { ReshardError } from "../errors.js";
import { displayAddress } from "../postgres/connection.js";
import { readJournal } from "../progress/journal.js";
import { listed } from "../words.js";
import { checkNothingStaysPrepared } from "./cutover-fence.js";
import { cutoverSchema } from "./cutover-schema.js";
import type { LiveReplication } from "./live-replication.js";
import type { Migration } from "./migration.js";
import { postCutoverSchema } from "./post-cutover-schema.js";
import { reading } from "./reading.js";
import { SLOTS_MADE } from "./replicate.js";
import { validateForeignKeys } from "./schema-sync.js";
import { isSound } from "./table-verdict.js";
import type { Traffic } from "./traffic.js";
import { waitForLag } from "./wait-for-lag.js";
import { verify } from "./verify.js";
import type { WayBack } from "./way-back.js";

export interface CutoverPreparation {
  readonly migration: Migration;
  readonly wayBack: WayBack;
  readonly traffic: Traffic;
  /** Runs when all is prepared. */
  readonly replication: LiveReplication;
  readonly verified: boolean;
  readonly signal: AbortSignal;
}

/**
 * Checks all that can be checked before a cutover, and does all that can be done: nothing is paused yet, so that this may
 * take as long as it takes. The source is only read.
 */
export async function prepareCutover({ migration, wayBack, traffic, replication, verified, signal }: CutoverPreparation): Promise<void> {
  const { pipeline, report, sources, sessions } = migration;
  for (const message of await traffic.warnings()) report({ type: "note", message });
  const finished = await finishedStages(migration);
  checkStagesFinished(migration, finished);
  await Promise.all(sources.map(({ address }) => reading(sessions.source(address, "monitor"), (client) => checkNothingStaysPrepared({ address, client }, pipeline.cutover.drainTimeout, signal))));
  // Says what is in the way of a way back, the publication and the keys' sizes among it.
  await postCutoverSchema(migration);
  if (pipeline.cutover.verify && !verified) {
    // It brings the shards to one moment by the same slots.
    await replication.stop();
    const unsound = (await verify(migration)).filter((verdict) => !isSound(verdict));
    if (unsound.length > 0) {
      throw new ReshardError("CUTOVER_UNVERIFIED", `The shards differ from the source in ${listed(unsound.map(({ table }) => table))}.`, {
        remedy: "Nothing was paused. Look at what differs; a migration that is begun anew copies all rows again.",
      });
    }
  }
  // Those of tables that we made; whoever made his own has his reasons.
  if (finished.has("schema_sync:pre")) await validateForeignKeys(migration);
  replication.start();
  await waitForLag(replication, pipeline.cutover, signal);
  await wayBack.makeSlots(signal);
  // Last, so that the source draws little after it.
  await cutoverSchema(migration);
}

/** As the journal has it by now. */
async function finishedStages(migration: Migration): Promise<ReadonlySet<string>> {
  const entries = await migration.journal(readJournal);
  return new Set(entries.find(({ id }) => id === migration.id)?.finishedStages ?? []);
}

/** Rows and schema are on the shards as far as this migration brings them. */
function checkStagesFinished({ pipeline, shards }: Migration, done: ReadonlySet<string>): void {
  const missing = ["schema_sync:pre", "copy", "schema_sync:post"].filter((stage) => !done.has(stage) && isNeeded(stage, done, pipeline));
  if (missing.length === 0) return;
  throw new ReshardError("CUTOVER_TOO_EARLY", `${missing.join(", ")} is not finished on ${shards.map(displayAddress).join(", ")}.`, { remedy: "Run the pipeline's stages in order: rows, then indexes and constraints, then the cutover." });
}

function isNeeded(stage: string, done: ReadonlySet<string>, { stages }: Migration["pipeline"]): boolean {
  // On the way back, all was there before.
  if (stage === "copy") return !done.has(SLOTS_MADE);
  // Whoever made the tables with us lets us make the rest; whoever made them himself made all.
  return stage === "schema_sync:post" ? done.has("schema_sync:pre") : stages.some((other) => other.type === "schema_sync" && other.phase === "pre");
}

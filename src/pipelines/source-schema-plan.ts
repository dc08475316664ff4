import type { Pipeline } from "../config/types.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { countLargeObjects } from "../postgres/large-objects.js";
import { dumpSchema } from "../pg-dump/dump-schema.js";
import { accountingNotes } from "../schema/accounting-notes.js";
import { withinShards } from "../schema/constraints-within-shards.js";
import { withPlainDefaults } from "../schema/key-function.js";
import { planSchema } from "../schema/plan-schema.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import { withAnalyze } from "../schema/with-analyze.js";
import { withBigintKeys } from "../schema/with-bigint-keys.js";
import type { Report } from "./events.js";
import { placements } from "./placements.js";
import type { Sessions } from "./sessions.js";

/**
 * Dumps the schema of the source's first shard and plans it for the shards: with integer keys as the pipeline wants
 * them, without what cannot hold on a shard by itself, and with statistics at the end. What is left out is reported.
 *
 * @param sessions of which some are kept
 * @param tables what is published
 */
export async function sourceSchemaPlan(pipeline: Pipeline, sessions: Sessions, tables: readonly PublishedTable[], report: Report): Promise<SchemaPlan> {
  const dump = await dumpSchema({ server: pipeline.from.shards[0]!.primary, pgDumpPath: pipeline.pgDumpPath });
  report({ type: "note", message: `Schema dumped with ${dump.program}.` });
  const planned = await planSchema(withPlainDefaults(dump.sql));
  for (const message of accountingNotes(planned, { largeObjects: await largeObjects(pipeline, sessions) })) report({ type: "note", message });
  const { plan, notes } = withinShards(planned, placements(pipeline, tables));
  for (const message of notes) report({ type: "note", message });
  if (pipeline.general.integerPrimaryKeys === "keep") return withAnalyze(plan);
  const bigint = withBigintKeys(plan);
  for (const message of bigint.notes) report({ type: "note", message });
  return withAnalyze(bigint.plan);
}

/** Of all shards of the source together. */
async function largeObjects(pipeline: Pipeline, sessions: Sessions): Promise<number> {
  const counts = await Promise.all(pipeline.from.shards.map(({ primary }) => sessions.kept.use(primary, "monitor", countLargeObjects)));
  return counts.reduce((sum, count) => sum + count, 0);
}

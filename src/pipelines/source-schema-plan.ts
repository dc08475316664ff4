import type { Pipeline, ServerAddress } from "../config/types.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { dumpSchema } from "../pg-dump/dump-schema.js";
import { withinShards } from "../schema/constraints-within-shards.js";
import { withPlainDefaults } from "../schema/key-function.js";
import { planSchema } from "../schema/plan-schema.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import { withAnalyze } from "../schema/with-analyze.js";
import { withBigintKeys } from "../schema/with-bigint-keys.js";
import type { Report } from "./events.js";
import { placements } from "./placements.js";

/**
 * Dumps the source's schema and plans it for the shards: with integer keys as the pipeline wants them, and without what
 * cannot hold on a shard by itself.
 *
 * @param tables what is published
 */
export async function sourceSchemaPlan(pipeline: Pipeline, source: ServerAddress, tables: readonly PublishedTable[], report: Report): Promise<SchemaPlan> {
  const dump = await dumpSchema({ server: source, pgDumpPath: pipeline.pgDumpPath });
  report({ type: "note", message: `Schema dumped with ${dump.program}.` });
  const { plan, notes } = withinShards(await planSchema(withPlainDefaults(dump.sql)), placements(pipeline, tables));
  for (const message of notes) report({ type: "note", message });
  if (pipeline.general.integerPrimaryKeys === "keep") return withAnalyze(plan);
  const bigint = withBigintKeys(plan);
  for (const message of bigint.notes) report({ type: "note", message });
  return withAnalyze(bigint.plan);
}

import type { Pipeline, ServerAddress } from "../config/types.js";
import { dumpSchema } from "../pg-dump/dump-schema.js";
import { planSchema } from "../schema/plan-schema.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import { withBigintKeys } from "../schema/with-bigint-keys.js";
import type { Report } from "./events.js";

/** Dumps the source's schema and plans it for the shards, with integer keys as the pipeline wants them. */
export async function sourceSchemaPlan(pipeline: Pipeline, source: ServerAddress, report: Report): Promise<SchemaPlan> {
  const dump = await dumpSchema({ server: source, pgDumpPath: pipeline.pgDumpPath });
  report({ type: "note", message: `Schema dumped with ${dump.program}.` });
  const plan = await planSchema(dump.sql);
  if (pipeline.general.integerPrimaryKeys === "keep") return plan;
  const bigint = withBigintKeys(plan);
  for (const message of bigint.notes) report({ type: "note", message });
  return bigint.plan;
}

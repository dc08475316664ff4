import type { Database, Pipeline } from "../config/types.js";
import { generatedSlot, migrationId } from "./migration.js";

/**
 * The way back: changes of the new shards stream into the database that was left. Its rows are there, so nothing is
 * copied; the slots have to be made before the shards' first write (`makeSlots`). Schema changes stop it: what an
 * operator may have to return to is not changed unasked. The pipeline's operators were for the way there: what the
 * applications wrote on the shards goes back as it is.
 */
export function reversePipeline(pipeline: Pipeline): Pipeline {
  const reverse: Pipeline = { ...pipeline, from: withoutReplicas(pipeline.to), to: pipeline.from, stages: [{ type: "replicate", until: "stopped" }], operators: [], onDdl: "stop", notes: [] };
  return { ...reverse, slot: generatedSlot(migrationId(reverse)) };
}

/** Standbys are for copying. */
function withoutReplicas(database: Database): Database {
  return { ...database, shards: database.shards.map((shard) => ({ ...shard, replicas: [] })) };
}

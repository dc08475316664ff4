import type { Stage } from "../config/types.js";

/** The name in the journal and in events: `schema_sync:pre`, `copy` … */
export function stageName(stage: Stage): string {
  return stage.type === "schema_sync" ? `schema_sync:${stage.phase}` : stage.type;
}

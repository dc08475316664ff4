import type { Stage } from "../config/types.js";

/** The name in the journal and in events: `schema_sync:pre`, `copy`, `flow:users>file` … */
export function stageName(stage: Stage): string {
  if (stage.type === "flow") return `flow:${stage.source.name}>${stage.sink.name}`;
  return stage.type === "schema_sync" ? `schema_sync:${stage.phase}` : stage.type;
}

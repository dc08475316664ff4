import type { Stage } from "../config/types.js";

/** Whether a stage makes tables and what is built over them; the cutover's phases work on a schema that is there. */
export function makesSchema(stage: Stage): boolean {
  return stage.type === "schema_sync" && (stage.phase === "pre" || stage.phase === "post");
}

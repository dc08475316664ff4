import type { Stage } from "../config/types.js";
import type { TaskKind } from "./task-spec.js";

const PREPARING: readonly Stage[] = [{ type: "schema_sync", phase: "pre" }, { type: "copy" }, { type: "schema_sync", phase: "post" }];

/** What a task does before it replicates. */
export function taskStages(kind: TaskKind): readonly Stage[] {
  return kind === "reshard" || kind === "copy_data" ? PREPARING : [];
}

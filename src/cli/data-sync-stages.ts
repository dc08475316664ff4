import type { Stage } from "../config/types.js";

export interface DataSyncFlags {
  /** Only stream from the slot: rows and schema are there. */
  readonly replicateOnly?: boolean;
  /** End after the copy. */
  readonly syncOnly?: boolean;
  readonly skipSchemaSync?: boolean;
  /** Stream until in sync instead of until stopped. */
  readonly untilCaughtUp?: boolean;
}

/** The stages that `data-sync` stands for. */
export function dataSyncStages({ replicateOnly, syncOnly, skipSchemaSync, untilCaughtUp }: DataSyncFlags): readonly Stage[] {
  const replicate: Stage = { type: "replicate", until: untilCaughtUp === true ? "caught-up" : "stopped" };
  if (replicateOnly === true) return [replicate];
  const schema = (phase: "pre" | "post"): readonly Stage[] => (skipSchemaSync === true ? [] : [{ type: "schema_sync", phase }]);
  return [...schema("pre"), { type: "copy" }, ...schema("post"), ...(syncOnly === true ? [] : [replicate])];
}

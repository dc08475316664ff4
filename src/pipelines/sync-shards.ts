import { cutoverSchema } from "./cutover-schema.js";
import { postCutoverSchema } from "./post-cutover-schema.js";
import type { ShardsContext, ShardsReport } from "./run-on-shards.js";
import { validateForeignKeys } from "./schema-sync.js";

export interface SyncShardsOptions {
  readonly phase: "cutover" | "post-cutover";
  readonly ignoreErrors?: boolean;
}

/** Runs a phase that is planned by what the shards have by now: of the cutover, with foreign keys validated, or after it. */
export async function syncShards(context: ShardsContext, { phase, ...options }: SyncShardsOptions): Promise<ShardsReport> {
  if (phase === "post-cutover") return await postCutoverSchema(context, options);
  const { ran, present, failed } = await cutoverSchema(context, options);
  return { ran: ran + (await validateForeignKeys(context)), present, failed };
}

import type { PipelineEvent } from "../pipelines/events.js";

/** What `pg-reshard serve` tells while it runs. */
export type ServeEvent =
  | { readonly type: "note"; readonly message: string }
  | { readonly type: "listening"; readonly host: string; readonly port: number; readonly admin: string; readonly databases: readonly { readonly name: string; readonly shards: number }[] }
  | { readonly type: "client-refused"; readonly address: string | undefined; readonly code: string; readonly message: string }
  /** What a task of the admin database tells. */
  | { readonly type: "task"; readonly id: number; readonly event: PipelineEvent };

import type { Snapshot } from "./snapshot.js";

/** When streaming ends. */
export type ReplicateUntil =
  /** All that was committed on a source shard when its lag was first nothing is on the shards. */
  | { readonly kind: "caught-up" }
  /** The operator stops it. */
  | { readonly kind: "stopped" }
  /**
   * Exactly the transactions that a source shard's snapshot shows are on the shards. What has to be looked up there is
   * read in the snapshot: later values would differ. By the source shard's number.
   */
  | { readonly kind: "snapshots"; readonly snapshots: readonly Snapshot[] };

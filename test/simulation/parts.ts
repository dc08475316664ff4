import { rewriteUpserts } from "../../src/operators/rewrite-upserts.js";
import { changesOfShard } from "../../src/operators/shard-changes.js";
import { skipApplied } from "../../src/operators/skip-applied.js";
import { ApplyTransaction } from "../../src/sinks/apply-transaction.js";
import { toShards } from "../../src/sinks/to-shards.js";
import { StreamPacing, type StreamPacingOptions } from "../../src/sources/stream-pacing.js";

/** What the simulated process is built of: the real code, or what a sabotage puts in its place. */
export interface Parts {
  readonly pacing: (options: StreamPacingOptions) => Pick<StreamPacing, keyof StreamPacing>;
  readonly transaction: () => Pick<ApplyTransaction, "commandsOf">;
  readonly changesOfShard: typeof changesOfShard;
  readonly skipApplied: typeof skipApplied;
  readonly rewriteUpserts: typeof rewriteUpserts;
  readonly toShards: typeof toShards;
  /** Sessions that a former attempt left behind are ended before progress is read. */
  readonly fences: boolean;
  /** A commit is answered once it is on disk. */
  readonly commitsOnDisk: boolean;
  /** Progress that is read was written to disk before anything is skipped on its word. */
  readonly progressToDisk: boolean;
  /** The slot is made before the first table is copied, not after the last. */
  readonly slotFirst: boolean;
  /** Rows that come from other shards are completed from the source. */
  readonly completes: boolean;
  /** Where the shards are brought to a position, from the source as it was there. */
  readonly completesFromPosition: boolean;
}

export const REAL: Parts = {
  pacing: (options) => new StreamPacing(options),
  transaction: () => new ApplyTransaction(),
  changesOfShard,
  skipApplied,
  rewriteUpserts,
  toShards,
  fences: true,
  commitsOnDisk: true,
  progressToDisk: true,
  slotFirst: true,
  completes: true,
  completesFromPosition: true,
};

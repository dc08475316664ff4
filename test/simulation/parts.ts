import { rewriteUpserts } from "../../src/operators/rewrite-upserts.js";
import { changesOfShard } from "../../src/operators/shard-changes.js";
import { skipApplied } from "../../src/operators/skip-applied.js";
import { ApplyTransaction } from "../../src/sinks/apply-transaction.js";
import { ownedCommands } from "../../src/sinks/owned-commands.js";
import { isContested, keptDuplicate } from "../../src/sinks/ownership.js";
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
  readonly ownedCommands: typeof ownedCommands;
  readonly isContested: typeof isContested;
  readonly keptDuplicate: typeof keptDuplicate;
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
  /** Of rows that may be on any shard each keeps those that belong on it. */
  readonly keepsOnlyItsOwn: boolean;
  /** Where the shards are brought to a position, from the source as it was there. */
  readonly completesFromPosition: boolean;
  /** Nothing is looked up before what came by the stream is seen on the source, nor written where others look it up. */
  readonly waitsUntilSeen: boolean;
  /** Sessions of several source shards write to tables that they share one after the other. */
  readonly takesTurns: boolean;
  /** TRUNCATE removes the rows of the source shard that did it, and no others. */
  readonly truncatesOwn: boolean;
  /** Tables that are the same on every source shard are taken from one. */
  readonly takesOnce: boolean;
}

export const REAL: Parts = {
  pacing: (options) => new StreamPacing(options),
  transaction: () => new ApplyTransaction(),
  changesOfShard,
  skipApplied,
  rewriteUpserts,
  toShards,
  ownedCommands,
  isContested,
  keptDuplicate,
  fences: true,
  commitsOnDisk: true,
  progressToDisk: true,
  slotFirst: true,
  completes: true,
  keepsOnlyItsOwn: true,
  completesFromPosition: true,
  waitsUntilSeen: true,
  takesTurns: true,
  truncatesOwn: true,
  takesOnce: true,
};

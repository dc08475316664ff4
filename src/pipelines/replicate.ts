import type { ChangeBatch } from "../change-batch.js";
import type { Lsn } from "../postgres/lsn.js";
import { allSettled } from "./all-settled.js";
import { Aim } from "./aim.js";
import type { Migration } from "./migration.js";
import type { ReplicateUntil } from "./replicate-until.js";
import { shardState } from "./shard-state.js";
import { ensureSlot } from "./slot.js";
import type { SourceShard } from "./source-shard.js";
import { streamShard } from "./stream-shard.js";
import { streamUntil } from "./stream-until.js";

/** Sees what comes through a stream. */
export interface StreamObserver {
  /** All shards have everything of a source shard that committed before a position. */
  readonly durable: (sourceShard: number, position: Lsn) => void;
  /** Changes on their way to the shards. */
  readonly passing: (sourceShard: number, batch: ChangeBatch) => void;
}

/**
 * Streams changes from every source shard's slot into the shards, until what is asked for is reached or the operator
 * stops it (which is no failure). What was begun is finished and acknowledged either way. Returns whether the aim was
 * reached.
 */
export async function replicate(migration: Migration, until: ReplicateUntil, observer?: StreamObserver): Promise<boolean> {
  await ensureSlots(migration);
  const failure = new AbortController();
  const reached = await allSettled(
    migration.sources.map(async (source) => {
      try {
        return await replicateFrom(migration, source, until, failure.signal, observer);
      } catch (error) {
        // The other source shards stop as if they were asked to.
        failure.abort();
        throw error;
      }
    }),
  );
  return reached.every(Boolean);
}

/** In the journal's finished stages: the slots were made before anything came through them, and are not to be made again. */
export const SLOTS_MADE = "slots";

/** Makes every source shard's slot, unless it is there. */
export async function ensureSlots(migration: Migration): Promise<void> {
  for (const source of migration.sources) await ensureSlot(migration, source, await hasBegun(migration, source));
}

async function replicateFrom(migration: Migration, source: SourceShard, until: ReplicateUntil, others: AbortSignal, observer: StreamObserver | undefined): Promise<boolean> {
  const { pipeline, report, signal } = migration;
  const aim = new Aim(migration, source, until);
  await streamUntil(
    { what: migration.sources.length === 1 ? "replication" : `replication from source shard ${source.number}`, aim, general: pipeline.general, stop: AbortSignal.any([signal, others]), report },
    async (stop, progressed) => {
      await migration.lock.ensure();
      await streamShard(migration, source, until, stop, {
        onDurable(durable, changes) {
          progressed(durable, changes);
          observer?.durable(source.number, durable);
        },
        onBatch: (batch) => observer?.passing(source.number, batch),
      });
    },
  );
  return aim.reached.aborted || until.kind === "snapshots";
}

/** Something of a source shard is on the shards: its slot must still be there. */
async function hasBegun(migration: Migration, source: SourceShard): Promise<boolean> {
  if (migration.entry.phase === "finished" || migration.entry.finishedStages.includes(SLOTS_MADE)) return true;
  const states = await Promise.all(migration.shards.map((shard) => shardState(migration, source, shard)));
  return states.some((state) => state.applied > 0n || state.tables.size > 0);
}

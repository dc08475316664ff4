import { pipe, tap } from "rxjs";
import type pg from "pg";
import type { ShardedChangeBatch } from "../change-batch.js";
import { run, type Sink } from "../flow.js";
import { rewriteUpserts } from "../operators/rewrite-upserts.js";
import { changesOfShard, shardChanges } from "../operators/shard-changes.js";
import { skipApplied } from "../operators/skip-applied.js";
import { endQuietly } from "../postgres/connection.js";
import { tableId } from "../postgres/identifiers.js";
import { type Lsn, minLsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { readStreamProgress, writeStreamProgress } from "../progress/stream-progress.js";
import { readTableProgress, type TableProgress } from "../progress/table-progress.js";
import { applyToShard } from "../sinks/apply-to-shard.js";
import { toShards } from "../sinks/to-shards.js";
import { changeStream } from "../sources/change-stream.js";
import { completeRows } from "../sources/source-rows.js";
import type { Migration } from "./migration.js";
import { ensureSlot, sourcePositions } from "./slot.js";
import { joinSnapshot } from "./snapshot.js";
import { untilDone } from "./until-done.js";
import { withRetries } from "./with-retries.js";

export type ReplicateUntil =
  /** All that was committed when the lag was first nothing is on the shards. */
  | { readonly kind: "caught-up" }
  /** The operator stops it. */
  | { readonly kind: "stopped" }
  /**
   * Exactly the transactions that committed before this position are on the shards. What has to be looked up on the
   * source is read in the exported snapshot of that name, which shows it at the position: later values would differ.
   */
  | { readonly kind: "position"; readonly position: Lsn; readonly snapshot: string };

/** A measured position counts as "now" if it was reached this soon after it was read. */
const NOW_MILLISECONDS = 1000;
const MONITOR_MILLISECONDS = 500;

/**
 * Streams changes from the slot into the shards, until what is asked for is reached or the operator stops it (which is
 * no failure). What was begun is finished and acknowledged either way. Returns whether the aim was reached.
 */
export async function replicate(migration: Migration, until: ReplicateUntil): Promise<boolean> {
  const { pipeline, report, signal } = migration;
  await ensureSlot(migration, await hasBegun(migration));
  const aim = new Aim(migration, until);
  const over = new AbortController();
  const stop = AbortSignal.any([signal, aim.reached, over.signal]);
  const monitoring = aim.watch(stop);
  const streaming = withRetries(
    {
      what: "replication",
      maxAttempts: pipeline.general.reshardingReplicationRetryMaxAttempts,
      minDelay: pipeline.general.reshardingReplicationRetryMinDelay,
      exponential: false,
      signal: stop,
      report,
    },
    async (progressed) => {
      if (stop.aborted) return;
      await migration.lock.ensure();
      await streamOnce(migration, until, stop, (durable, changes) => {
        progressed();
        aim.durable(durable, changes);
      });
    },
  );
  try {
    await Promise.race([streaming, monitoring.failed]);
    return aim.reached.aborted || until.kind === "position";
  } finally {
    aim.end();
    // Whichever of the two failed, the other does not go on behind the run's back.
    over.abort();
    await Promise.allSettled([streaming, monitoring.done]);
  }
}

/** Something of this migration is on a shard: its slot must still be there. */
async function hasBegun(migration: Migration): Promise<boolean> {
  if (migration.entry.phase === "finished") return true;
  const states = await Promise.all(migration.shards.map((shard) => shardState(migration, shard)));
  return states.some((state) => state.applied > 0n || state.tables.size > 0);
}

/** One connection's worth of streaming: opens everything, and completes when told to stop or the position is reached. */
async function streamOnce(migration: Migration, until: ReplicateUntil, stop: AbortSignal, onDurable: (durable: Lsn, changes: number) => void): Promise<void> {
  const { sessions, shards, facts } = migration;
  await migration.monitor((client) => sessions.fence(client, "stream", "lookup"));
  const states = await Promise.all(shards.map((shard) => shardState(migration, shard)));
  const lookup = new Lookup(() => openLookup(migration, until));
  const keyOf = (relation: PgoutputRelation): readonly string[] => migration.published(relation).key;
  let changes = 0;
  const sinks = shards.map((shard, index): Sink<ReturnType<typeof changesOfShard>, Lsn> => {
    const { applied, tables } = states[index]!;
    const sink = applyToShard({
      open: () => sessions.writer(shard, "apply", { pipeline: true }),
      progress: migration.progress,
      keyOf,
      completeFromSource: (rows, places) => lookup.use((client) => completeRows(client, rows, places, keyOf(rows.relation))),
    });
    return pipe(
      skipApplied({ applied, snapshotOf: (relation) => tables.get(tableId(relation))?.snapshot ?? 0n }),
      rewriteUpserts(keyOf),
      sink,
    );
  });
  const source = changeStream({
    server: migration.source,
    applicationName: sessions.applicationName("stream"),
    slot: migration.slot,
    publication: migration.pipeline.publication,
    serverVersion: facts.version,
    stop,
    ...(until.kind === "position" ? { stopAt: until.position } : {}),
  });
  const counted = pipe(
    shardChanges((relation) => migration.route(relation)),
    tap((batch: ShardedChangeBatch) => { changes += batch.count; }),
  );
  try {
    // Stopping is the source's: it completes once what is on the way has arrived.
    await untilDone(run(source, counted, toShards(changesOfShard, sinks)), new AbortController().signal, (receipt) => {
      if (receipt.durable !== undefined) onDurable(receipt.durable, changes);
    });
  } finally {
    await lookup.close();
  }
}

async function shardState(migration: Migration, shard: Migration["shards"][number]): Promise<{ applied: Lsn; tables: Map<string, TableProgress> }> {
  const client = await migration.sessions.destination(shard, "journal");
  try {
    // What an older session would still commit must be known before progress is read.
    await migration.sessions.fence(client, "apply");
    const applied = await readStreamProgress(client, migration.progress);
    // A former run may have committed it without waiting for the disk, and what is skipped on its word must not go in a crash.
    if (applied > 0n) await writeStreamProgress(client, migration.progress, applied);
    return { applied, tables: await readTableProgress(client, migration.progress) };
  } finally {
    await client.end();
  }
}

/** A session on the source that most runs never need, for one shard at a time. */
class Lookup {
  readonly #open: () => Promise<pg.Client>;
  #session: Promise<pg.Client> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(open: () => Promise<pg.Client>) {
    this.#open = open;
  }

  async use<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => await work(await (this.#session ??= this.#open())));
    this.#turn = result.catch(() => undefined);
    return await result;
  }

  async close(): Promise<void> {
    await endQuietly(await this.#session?.catch(() => undefined));
  }
}

async function openLookup({ sessions, source }: Migration, until: ReplicateUntil): Promise<pg.Client> {
  const client = await sessions.source(source, "lookup");
  if (until.kind === "position") await joinSnapshot(client, until.snapshot);
  return client;
}

/** Knows when enough has been streamed, and reports how far it is. */
class Aim {
  readonly #migration: Migration;
  readonly #until: ReplicateUntil;
  readonly #reached = new AbortController();
  readonly #ended = new AbortController();
  #durable: Lsn = 0n;
  #changes = 0;
  #target: Lsn | undefined;
  #measuredAt = 0;
  #wake: (() => void) | undefined;

  constructor(migration: Migration, until: ReplicateUntil) {
    this.#migration = migration;
    this.#until = until;
  }

  get reached(): AbortSignal {
    return this.#reached.signal;
  }

  durable(position: Lsn, changes: number): void {
    this.#durable = position;
    this.#changes = changes;
    if (this.#target !== undefined && position >= this.#target) this.#wake?.();
  }

  end(): void {
    this.#ended.abort();
    this.#wake?.();
  }

  /** Measures the source's position again and again; `failed` rejects where that is not possible any more. */
  watch(stop: AbortSignal): { failed: Promise<never>; done: Promise<void> } {
    stop.addEventListener("abort", () => this.#wake?.());
    const done = this.#measure(stop);
    const failed = new Promise<never>((_, reject) => {
      done.catch(reject);
    });
    failed.catch(() => undefined);
    return { failed, done: done.catch(() => undefined) };
  }

  async #measure(stop: AbortSignal): Promise<void> {
    const { pipeline, report, signal } = this.#migration;
    const finished = (): boolean => stop.aborted || this.#ended.signal.aborted;
    let monitor: pg.Client | undefined;
    try {
      while (!finished()) {
        const { inserted: position, flushed, flushDelay } = await withRetries(
          { what: "the source's position", maxAttempts: pipeline.general.reshardingReplicationRetryMaxAttempts, minDelay: pipeline.general.reshardingReplicationRetryMinDelay, exponential: false, signal, report },
          async () => {
            monitor ??= await this.#migration.sessions.source(this.#migration.source, "monitor");
            try {
              return await sourcePositions(monitor);
            } catch (error) {
              await endQuietly(monitor);
              monitor = undefined;
              throw error;
            }
          },
        );
        if (this.#target === undefined || this.#durable >= this.#target) {
          // A position that was reached long after it was read says nothing of now: the next one may.
          this.#target = position;
          this.#measuredAt = Date.now();
        }
        // Reading leaves WAL behind that nobody hurries to disk, for half a minute on an idle server: no commit is in it.
        if (this.#until.kind === "caught-up" && this.#durable >= flushed && Date.now() - this.#measuredAt >= flushDelay) {
          this.#target = minLsn(this.#target, this.#durable);
          this.#measuredAt = Date.now();
        }
        const lag = Number(position - minLsn(position, this.#durable));
        if (this.#durable > 0n) report({ type: "stream-progress", sourceShard: 0, applied: this.#durable, source: position, lag, changes: this.#changes });
        await this.#sleep();
        if (this.#until.kind === "caught-up" && this.#durable >= this.#target && Date.now() - this.#measuredAt <= NOW_MILLISECONDS) {
          report({ type: "caught-up", position: this.#target });
          this.#reached.abort();
        }
      }
    } finally {
      await endQuietly(monitor);
    }
  }

  /** Until the target is reached, half a second has passed, or all is over. */
  async #sleep(): Promise<void> {
    if (this.#target !== undefined && this.#durable >= this.#target && this.#until.kind === "caught-up") return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, MONITOR_MILLISECONDS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#ended.signal.aborted) this.#wake();
    });
    this.#wake = undefined;
  }
}

import type { ChangeBatch } from "../change-batch.js";
import { OWN_SCHEMA } from "../postgres/catalog.js";
import { type Lsn, maxLsn, minLsn } from "../postgres/lsn.js";
import { interrupted } from "./interrupted.js";
import type { Migration } from "./migration.js";
import { replicate } from "./replicate.js";
import { sourcePositions } from "./slot.js";

/** A transaction of the publication that has come through the stream. */
export interface StreamedTransaction {
  readonly sourceShard: number;
  readonly commitLsn: Lsn;
  readonly xid: number;
}

interface Wait {
  readonly isOver: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Replication that goes on until it is told to stop, and can be asked meanwhile how far it is. It can be started again
 * after it was stopped.
 */
export class LiveReplication {
  readonly #migration: Migration;
  /** By source shard: what is on all shards. Only ever grows. */
  readonly #durable: (Lsn | undefined)[];
  readonly #newest: (StreamedTransaction | undefined)[];
  #waits: Wait[] = [];
  #run: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  /** What ended the last run. */
  #failure: { readonly error: unknown } | undefined;

  constructor(migration: Migration) {
    this.#migration = migration;
    this.#durable = migration.sources.map(() => undefined);
    this.#newest = migration.sources.map(() => undefined);
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  /** Begins to stream; without effect while it does. The operator's stop ends it too. */
  start(): void {
    if (this.#run !== undefined) {
      // Its slots are free when it has ended.
      if (this.#run.stop.signal.aborted) void this.#run.ended.then(() => { this.start(); });
      return;
    }
    const stop = new AbortController();
    this.#failure = undefined;
    const migration: Migration = { ...this.#migration, signal: AbortSignal.any([this.#migration.signal, stop.signal]) };
    const streaming = replicate(migration, { kind: "stopped" }, {
      durable: (sourceShard, position) => {
        this.#durable[sourceShard] = maxLsn(this.#durable[sourceShard] ?? 0n, position);
        this.#wake();
      },
      passing: (sourceShard, batch) => { this.#note(sourceShard, batch); },
    });
    const ended = streaming.then(
      () => { this.#failure = { error: interrupted() }; },
      (error: unknown) => { this.#failure = { error }; },
    ).then(() => {
      this.#run = undefined;
      this.#wake();
    });
    this.#run = { stop, ended };
  }

  /** Finishes and acknowledges what is on the way, and stops. Fails with what made streaming fail. */
  async stop(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    run.stop.abort();
    const failure = await run.ended.then(() => this.#failure);
    if (failure !== undefined && !isInterruption(failure.error)) throw failure.error;
  }

  /** Settles when streaming ends: rejects with what made it fail, and resolves where it was stopped. */
  async ended(): Promise<void> {
    await this.#run?.ended;
    if (this.#failure !== undefined && !isInterruption(this.#failure.error)) throw this.#failure.error;
  }

  /** Bytes of WAL between each source shard and the destination shard that is furthest behind, measured after the question. */
  async lag(signal: AbortSignal): Promise<number[]> {
    await this.#until(() => this.#durable.every((position) => position !== undefined), signal);
    return await Promise.all(
      this.#migration.sources.map(async (source) => {
        const { inserted, flushed } = await source.monitor(sourcePositions);
        const durable = this.#durable[source.number]!;
        // What reading leaves behind in the WAL nobody hurries to disk, and so to us.
        return durable >= flushed ? 0 : Number(inserted - minLsn(inserted, durable));
      }),
    );
  }

  /** Resolves when all shards have everything of each source shard that committed before its position. */
  async reached(positions: readonly Lsn[], signal: AbortSignal): Promise<void> {
    await this.#until(() => positions.every((position, sourceShard) => (this.#durable[sourceShard] ?? 0n) >= position), signal);
  }

  /** The newest transaction of each source shard that committed at or after its position. */
  since(positions: readonly Lsn[]): readonly StreamedTransaction[] {
    return this.#newest.flatMap((newest) => (newest !== undefined && newest.commitLsn >= positions[newest.sourceShard]! ? [newest] : []));
  }

  async #until(isOver: () => boolean, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => { reject(interrupted()); };
      signal.addEventListener("abort", onAbort, { once: true });
      const settle = (): void => { signal.removeEventListener("abort", onAbort); };
      this.#waits.push({ isOver, resolve: () => { settle(); resolve(); }, reject: (error) => { settle(); reject(error instanceof Error ? error : new Error(String(error))); } });
      if (signal.aborted) onAbort();
      this.#wake();
    });
  }

  #wake(): void {
    const waits = this.#waits;
    this.#waits = [];
    for (const wait of waits) {
      if (wait.isOver()) wait.resolve();
      else if (this.#run === undefined) wait.reject(this.#failure?.error ?? interrupted());
      else this.#waits.push(wait);
    }
  }

  /** What we keep in the source ourselves is no application's. */
  #note(sourceShard: number, batch: ChangeBatch): void {
    for (let change = batch.count - 1; change >= 0; change--) {
      if (batch.relations[batch.relationOf[change]!]!.schema === OWN_SCHEMA) continue;
      this.#newest[sourceShard] = { sourceShard, ...batch.transactions[batch.transactionOf[change]!]! };
      return;
    }
  }
}

function isInterruption(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "INTERRUPTED";
}

import { type Lsn, minLsn } from "../postgres/lsn.js";
import type { Migration } from "./migration.js";
import type { ReplicateUntil } from "./replicate-until.js";
import { sourcePositions } from "./slot.js";
import type { SourceShard } from "./source-shard.js";
import { withRetries } from "./with-retries.js";

/** A measured position counts as "now" if it was reached this soon after it was read. */
const NOW_MILLISECONDS = 1000;
const MONITOR_MILLISECONDS = 500;

/** What is used of a migration, and of a source shard. */
type Surroundings = Pick<Migration, "report" | "signal"> & { readonly pipeline: Pick<Migration["pipeline"], "general">; readonly sessions: Pick<Migration["sessions"], "kept"> };
type Streamed = Pick<SourceShard, "address" | "number">;

/** Knows when enough has been streamed from a source shard, and reports how far that is. */
export class Aim {
  readonly #migration: Surroundings;
  readonly #source: Streamed;
  readonly #until: ReplicateUntil;
  readonly #reached = new AbortController();
  readonly #ended = new AbortController();
  #durable: Lsn = 0n;
  #changes = 0;
  #target: Lsn | undefined;
  #measuredAt = 0;
  #wake: (() => void) | undefined;

  constructor(migration: Surroundings, source: Streamed, until: ReplicateUntil) {
    this.#migration = migration;
    this.#source = source;
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
    const { pipeline, report, signal, sessions } = this.#migration;
    const finished = (): boolean => stop.aborted || this.#ended.signal.aborted;
    while (!finished()) {
      const { inserted: position, flushed, flushDelay } = await withRetries(
        { what: "the source's position", maxAttempts: pipeline.general.reshardingReplicationRetryMaxAttempts, minDelay: pipeline.general.reshardingReplicationRetryMinDelay, exponential: false, signal, report },
        () => sessions.kept.use(this.#source.address, "monitor", sourcePositions),
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
      if (this.#durable > 0n) report({ type: "stream-progress", sourceShard: this.#source.number, applied: this.#durable, source: position, lag, changes: this.#changes });
      await this.#sleep();
      if (this.#until.kind === "caught-up" && this.#durable >= this.#target && Date.now() - this.#measuredAt <= NOW_MILLISECONDS) {
        report({ type: "caught-up", sourceShard: this.#source.number, position: this.#target });
        this.#reached.abort();
      }
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

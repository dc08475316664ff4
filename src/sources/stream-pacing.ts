import type { ChangeBatch } from "../change-batch.js";
import type { Receipt } from "../flow.js";
import { InFlightWindow } from "../in-flight-window.js";
import type { CopyDataFrames } from "../postgres/copy-data-reader.js";
import { type Lsn, maxLsn } from "../postgres/lsn.js";
import { changeBatchOf, type StreamState, upToLastCommit } from "./change-batch-builder.js";
import { framesBefore } from "./frames-before.js";
import { framesOfOneSchema } from "./frames-of-one-schema.js";

export interface StreamPacingOptions {
  /** End the stream before the first transaction that commits at or after this position. */
  readonly stopAt?: Lsn | undefined;
  readonly windowBytes?: number | undefined;
  /** Bytes from which on a piece of a transaction makes a batch. */
  readonly batchBytes?: number | undefined;
}

/** What has arrived from the server and was not sent on yet. */
export interface Waiting {
  readonly frames: CopyDataFrames;
  readonly bytes: number;
}

/**
 * Enough changes that folding and set-based statements pay. More than a copy's, for each batch ends with a commit, and a
 * page that several of its rows are on is looked up, cleaned and logged once: batches of 1 MiB took a shard a quarter longer.
 */
const BATCH_BYTES = 6 * 1024 * 1024;
/** One batch being applied, one encoded, one arriving. A source shard has one stream, not one for every table. */
const WINDOW_BYTES = 3 * BATCH_BYTES;
/** While this many batches are on the way, further changes gather, so that a shard that lags gets larger batches. */
const BATCHES_AHEAD = 2;

/**
 * The decisions of one run of `changeStream`: how much of what has arrived makes the next batch, whether to read on, what
 * to acknowledge, and when all is over. It does no I/O and knows no time.
 */
export class StreamPacing {
  readonly #window: InFlightWindow;
  readonly #batchBytes: number;
  readonly #stopAt: Lsn | undefined;
  readonly #state: StreamState = { relations: new Map(), transaction: undefined, position: 0n };
  #sequence = 0;
  #durable: Lsn = 0n;
  #lastResume: Lsn = 0n;
  #stopping = false;

  constructor(options: StreamPacingOptions = {}) {
    this.#window = new InFlightWindow(options.windowBytes ?? WINDOW_BYTES);
    this.#batchBytes = options.batchBytes ?? BATCH_BYTES;
    this.#stopAt = options.stopAt;
  }

  /** How many of the payloads that wait make the next batch; 0 while it is better to wait for more. */
  nextCount({ frames, bytes }: Waiting): number {
    if (this.#stopping || frames.count === 0 || this.#window.full) return 0;
    if (this.#window.size >= BATCHES_AHEAD && bytes < this.#batchBytes) return 0;
    const alike = framesOfOneSchema(frames, this.#state.relations);
    const allowed = Math.min(alike, this.#stopAt === undefined ? alike : framesBefore(frames, this.#stopAt).count);
    const whole = upToLastCommit({ ...frames, count: allowed }, this.#state.transaction !== undefined);
    // Where a table is defined anew within a transaction, what comes before is a piece too.
    return whole === 0 && (bytes >= this.#batchBytes || (alike < frames.count && alike === allowed)) ? allowed : whole;
  }

  /** Makes the next batch, which is on the way from now on. */
  batchOf(frames: CopyDataFrames): ChangeBatch {
    const batch = changeBatchOf(frames, this.#state, this.#sequence++);
    this.#window.add(batch);
    if (batch.resume !== undefined) this.#lastResume = batch.resume;
    return batch;
  }

  receive(receipt: Receipt<Lsn>): void {
    this.#window.release(receipt.taken);
    if (receipt.durable !== undefined) this.#durable = maxLsn(this.#durable, receipt.durable);
  }

  /** False while as much is on the way as memory is meant for. */
  get readsOn(): boolean {
    return !this.#window.full;
  }

  /** What the server is told; `flushed` is where the slot starts again and before which it throws everything away. */
  get feedback(): { readonly received: Lsn; readonly flushed: Lsn } {
    return { received: maxLsn(this.#lastResume, this.#durable), flushed: this.#durable };
  }

  /** Nothing more is to be sent on. */
  stop(): void {
    this.#stopping = true;
  }

  /** Stops where all that comes before `stopAt` was sent on. */
  stopIfReached({ frames }: Waiting): void {
    if (this.#stopAt === undefined || this.#stopping) return;
    if (this.#lastResume >= this.#stopAt && this.#state.transaction === undefined) this.stop();
    else {
      const limit = framesBefore(frames, this.#stopAt);
      if (limit.reached && limit.count === 0) this.stop();
    }
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Stopped, and what can become durable is; the pieces of an unfinished transaction cannot, and are not waited for. */
  get finished(): boolean {
    return this.#stopping && this.#window.size === 0 && (this.#state.transaction !== undefined || this.#durable >= this.#lastResume);
  }
}

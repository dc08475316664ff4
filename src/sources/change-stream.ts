import { Observable } from "rxjs";
import type pg from "pg";
import type { ChangeBatch } from "../change-batch.js";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { Source } from "../flow.js";
import { InFlightWindow } from "../in-flight-window.js";
import { connect, displayAddress, endQuietly } from "../postgres/connection.js";
import { CopyDataReader, type ServerNotice } from "../postgres/copy-data-reader.js";
import { quoteIdentifier, quoteLiteral } from "../postgres/identifiers.js";
import { type Lsn, maxLsn } from "../postgres/lsn.js";
import { standbyStatusUpdate } from "../postgres/standby-status.js";
import { changeBatchOf, type StreamState, upToLastCommit } from "./change-batch-builder.js";
import { framesBefore } from "./frames-before.js";

export interface ChangeStreamOptions {
  readonly server: ServerAddress;
  readonly applicationName: string;
  /** A permanent logical slot of the plugin pgoutput. */
  readonly slot: string;
  readonly publication: string;
  /** `server_version_num`. */
  readonly serverVersion: number;
  /** End the stream before the first transaction that commits at or after this position. */
  readonly stopAt?: Lsn;
  /** Aborted: what was sent on is finished and acknowledged, then the stream completes. */
  readonly stop?: AbortSignal;
  readonly windowBytes?: number;
}

/** Enough changes that folding and set-based statements pay. */
const BATCH_BYTES = 1024 * 1024;
/** While this many batches are on the way, further changes gather, so that a shard that lags gets larger batches. */
const BATCHES_AHEAD = 2;
/**
 * With it a server (18 and later) warns that the publication does not exist at this point of the WAL, and then leaves
 * out every change (LoadPublications, replication/pgoutput/pgoutput.c). Older ones fail.
 */
const OBJECT_NOT_IN_PREREQUISITE_STATE = "55000";
/** Well under half the default wal_sender_timeout of 60 s, after which the server would ask for a reply. */
const FEEDBACK_MILLISECONDS = 1000;

/**
 * Streams a publication's changes from a slot. Small transactions share a batch, one larger than a batch comes in
 * pieces; `resume` is set where a batch ends outside a transaction. The slot is acknowledged up to what the receipts
 * call durable and never further, on our own timer.
 *
 * ```
 * server   B I U C  B I C    B I I I I … I I I C   k
 * batches  [ . . , resume ]  [ piece ][ piece, resume ][ empty, resume ]
 * ```
 */
export function changeStream(options: ChangeStreamOptions): Source<ChangeBatch, Lsn> {
  return (receipts$) =>
    new Observable<ChangeBatch>((subscriber) => {
      const window = new InFlightWindow(options.windowBytes);
      const state: StreamState = { relations: new Map(), transaction: undefined, position: 0n };
      let client: pg.Client | undefined;
      let reader: CopyDataReader | undefined;
      let sequence = 0;
      let durable: Lsn = 0n;
      let lastResume: Lsn = 0n;
      let stopping = false;

      const sendFeedback = (): void => reader?.send(standbyStatusUpdate({ received: maxLsn(lastResume, durable), flushed: durable, applied: durable }));

      const emit = (count: number): void => {
        const frames = reader!.take(count);
        const batch = changeBatchOf(frames, state, sequence++);
        window.add(batch);
        if (batch.resume !== undefined) lastResume = batch.resume;
        subscriber.next(batch);
      };

      /** Sends on what is ready; keeps the rest for when more has come or the shards are free. */
      const pump = (): void => {
        while (!stopping && !subscriber.closed && reader !== undefined && reader.waiting.count > 0 && !window.full) {
          if (window.size >= BATCHES_AHEAD && reader.bytes < BATCH_BYTES) break;
          const limit = options.stopAt === undefined ? undefined : framesBefore(reader.waiting, options.stopAt);
          const waiting = limit === undefined ? reader.waiting : { ...reader.waiting, count: limit.count };
          let count = upToLastCommit(waiting, state.transaction !== undefined);
          if (count === 0) {
            if (limit?.reached === true && waiting.count === 0) break;
            if (reader.bytes < BATCH_BYTES) break;
            count = waiting.count;
          }
          emit(count);
        }
        if (window.full) reader?.pause();
        else reader?.resume();
        if (options.stopAt !== undefined && !stopping && reader !== undefined && reachedStop(options.stopAt)) stopping = true;
        if (stopping) finishWhenIdle();
      };

      const pumpSafely = (): void => {
        try {
          pump();
        } catch (error) {
          subscriber.error(error);
        }
      };

      const reachedStop = (stopAt: Lsn): boolean => {
        if (lastResume >= stopAt && state.transaction === undefined) return true;
        const limit = framesBefore(reader!.waiting, stopAt);
        return limit.reached && limit.count === 0;
      };

      let finishing = false;
      const finishWhenIdle = (): void => {
        // What can become durable is waited for; the pieces of an unfinished transaction cannot.
        if (finishing || window.size > 0 || (state.transaction === undefined && durable < lastResume)) return;
        finishing = true;
        void endStream().finally(() => { subscriber.complete(); });
      };
      const endStream = async (): Promise<void> => {
        clearInterval(timer);
        if (reader === undefined) return;
        sendFeedback();
        reader.end();
        reader.discard();
        await Promise.race([reader.done.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 5000).unref())]);
      };

      const onData = (): void => {
        if (stopping || subscriber.closed) return;
        pumpSafely();
      };

      const onNotice = (notice: ServerNotice): void => {
        if (notice.code === OBJECT_NOT_IN_PREREQUISITE_STATE) subscriber.error(publicationGone(options, notice));
      };

      const receipts = receipts$.subscribe((receipt) => {
        window.release(receipt.taken);
        if (receipt.durable !== undefined) durable = maxLsn(durable, receipt.durable);
        // The receipt may come from within `emit`: the loop there goes on by itself.
        queueMicrotask(() => {
          pumpSafely();
        });
      });
      const timer = setInterval(sendFeedback, FEEDBACK_MILLISECONDS);
      const onStop = (): void => {
        stopping = true;
        if (reader === undefined) subscriber.complete();
        else finishWhenIdle();
      };

      const start = async (): Promise<void> => {
        if (options.stop?.aborted === true) {
          subscriber.complete();
          return;
        }
        options.stop?.addEventListener("abort", onStop);
        client = await connect(options.server, { applicationName: options.applicationName, readOnly: true, replication: true });
        if (subscriber.closed) {
          await endQuietly(client);
          return;
        }
        reader = new CopyDataReader(client, startStatement(options), onData, onNotice);
        await reader.done;
        if (!stopping) throw new Error("Connection terminated: the server ended the replication stream");
      };
      start().catch((error: unknown) => {
        if (!finishing) subscriber.error(error);
      });
      return () => {
        clearInterval(timer);
        options.stop?.removeEventListener("abort", onStop);
        receipts.unsubscribe();
        void endQuietly(client);
      };
    });
}

function publicationGone({ server, publication, slot }: ChangeStreamOptions, notice: ServerNotice): ReshardError {
  return new ReshardError("PUBLICATION_MISSING", `The publication "${publication}" was dropped on the source while the slot ${slot} needed it: changes made without it are not in the stream (${notice.message}).`, {
    place: { server: displayAddress(server) },
    remedy: "The migration cannot go on: what changed meanwhile would be missing on the shards. Create the publication, run `pg-reshard finish --drop-progress`, empty the destination and start anew.",
  });
}

function startStatement(options: ChangeStreamOptions): string {
  const parameters = [
    `proto_version '${options.serverVersion >= 160000 ? 4 : 3}'`,
    `publication_names ${quoteLiteral(quoteIdentifier(options.publication))}`,
    "binary 'true'",
  ];
  // 0/0: the server starts at what the slot has confirmed.
  return `START_REPLICATION SLOT ${quoteIdentifier(options.slot)} LOGICAL 0/0 (${parameters.join(", ")})`;
}

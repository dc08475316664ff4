import { Observable } from "rxjs";
import type pg from "pg";
import type { ChangeBatch } from "../change-batch.js";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import type { Source } from "../flow.js";
import { connect, displayAddress, endQuietly } from "../postgres/connection.js";
import { CopyDataReader, type ServerNotice } from "../postgres/copy-data-reader.js";
import { quoteIdentifier, quoteLiteral } from "../postgres/identifiers.js";
import type { Lsn } from "../postgres/lsn.js";
import { standbyStatusUpdate } from "../postgres/standby-status.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { StreamPacing } from "./stream-pacing.js";

export interface ChangeStreamOptions {
  readonly server: ServerAddress;
  readonly applicationName: string;
  /** A permanent logical slot of the plugin pgoutput. */
  readonly slot: string;
  readonly publication: string;
  /** `server_version_num`. */
  readonly serverVersion: number;
  /** Binary where absent: as text then come only the values of types that have no send function. */
  readonly format?: ValueFormat;
  /** End the stream before the first transaction that commits at or after this position. */
  readonly stopAt?: Lsn;
  /** Aborted: what was sent on is finished and acknowledged, then the stream completes. */
  readonly stop?: AbortSignal;
  readonly windowBytes?: number;
  /** Bytes from which on a piece of a transaction makes a batch. */
  readonly batchBytes?: number;
}

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
      const pacing = new StreamPacing(options);
      let client: pg.Client | undefined;
      let reader: CopyDataReader | undefined;

      const sendFeedback = (): void => {
        const { received, flushed } = pacing.feedback;
        reader?.send(standbyStatusUpdate({ received, flushed, applied: flushed }));
      };

      /** Sends on what is ready; keeps the rest for when more has come or the shards are free. */
      const pump = (): void => {
        if (reader === undefined) return;
        while (!subscriber.closed) {
          const count = pacing.nextCount({ frames: reader.waiting, bytes: reader.bytes });
          if (count === 0) break;
          subscriber.next(pacing.batchOf(reader.take(count)));
        }
        if (pacing.readsOn) reader.resume();
        else reader.pause();
        pacing.stopIfReached({ frames: reader.waiting, bytes: reader.bytes });
        finishWhenIdle();
      };

      const pumpSafely = (): void => {
        try {
          pump();
        } catch (error) {
          subscriber.error(error);
        }
      };

      let finishing = false;
      const finishWhenIdle = (): void => {
        if (finishing || !pacing.finished) return;
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
        if (pacing.stopping || subscriber.closed) return;
        pumpSafely();
      };

      const onNotice = (notice: ServerNotice): void => {
        if (notice.code === OBJECT_NOT_IN_PREREQUISITE_STATE) subscriber.error(publicationGone(options, notice));
      };

      const receipts = receipts$.subscribe((receipt) => {
        pacing.receive(receipt);
        // The receipt may come from within `emit`: the loop there goes on by itself.
        queueMicrotask(() => {
          pumpSafely();
        });
      });
      const timer = setInterval(sendFeedback, FEEDBACK_MILLISECONDS);
      const onStop = (): void => {
        pacing.stop();
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
        if (!pacing.stopping) throw new Error("Connection terminated: the server ended the replication stream");
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
    `binary '${options.format !== "text"}'`,
  ];
  // 0/0: the server starts at what the slot has confirmed.
  return `START_REPLICATION SLOT ${quoteIdentifier(options.slot)} LOGICAL 0/0 (${parameters.join(", ")})`;
}

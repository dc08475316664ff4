import { Observable, type Subscriber } from "rxjs";
import type { ChangeBatch } from "../../src/change-batch.js";
import type { Source } from "../../src/flow.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { StreamPacing, Waiting } from "../../src/sources/stream-pacing.js";
import { framesOf } from "../support/changes.js";
import type { SimulatedSource, SimulatedWalsender } from "./simulated-source.js";
import { ConnectionLost } from "./stepped-sink.js";

/** `changeStream`, its decisions being the real ones, while socket and timers are up to the scheduler. */
export class StreamConnection {
  readonly #server: SimulatedSource;
  readonly #walsender: SimulatedWalsender;
  readonly #pacing: Pick<StreamPacing, keyof StreamPacing>;
  #waiting: Buffer[] = [];
  #reads = true;
  #receiptCame = false;
  #subscriber: Subscriber<ChangeBatch> | undefined;

  constructor(server: SimulatedSource, pacing: Pick<StreamPacing, keyof StreamPacing>) {
    this.#server = server;
    this.#walsender = server.connect();
    this.#pacing = pacing;
  }

  readonly source: Source<ChangeBatch, Lsn> = (receipts$) =>
    new Observable<ChangeBatch>((subscriber) => {
      this.#subscriber = subscriber;
      const receipts = receipts$.subscribe((receipt) => {
        this.#pacing.receive(receipt);
        this.#receiptCame = true;
      });
      return () => {
        receipts.unsubscribe();
        this.#subscriber = undefined;
      };
    });

  /** Up to so many payloads arrive from the server; false where none could. */
  deliver(payloads: number): boolean {
    if (!this.#reads || this.#subscriber === undefined || this.#pacing.stopping) return false;
    const before = this.#waiting.length;
    for (let count = 0; count < payloads; count++) {
      const payload = this.#walsender.next();
      if (payload === undefined) break;
      this.#waiting.push(payload);
    }
    if (this.#waiting.length === before) return false;
    this.pump();
    return true;
  }

  keepalive(): boolean {
    if (!this.#reads || this.#subscriber === undefined || this.#pacing.stopping) return false;
    const keepalive = this.#walsender.keepalive();
    if (keepalive === undefined) return false;
    this.#waiting.push(keepalive);
    this.pump();
    return true;
  }

  /** What a receipt sets off. */
  react(): boolean {
    if (!this.#receiptCame || this.#subscriber === undefined) return false;
    this.#receiptCame = false;
    this.pump();
    return true;
  }

  /** The timer's work: what may be thrown away is told to the slot. */
  feedback(): boolean {
    if (this.#subscriber === undefined) return false;
    this.#server.confirm(this.#pacing.feedback.flushed);
    return true;
  }

  /** The operator says stop: what was sent on is finished. */
  stop(): void {
    this.#pacing.stop();
    this.#finishWhenIdle();
  }

  fail(): void {
    this.#subscriber?.error(new ConnectionLost("the replication stream"));
  }

  pump(): void {
    const subscriber = this.#subscriber;
    if (subscriber === undefined) return;
    let waiting = this.#look();
    while (!subscriber.closed) {
      const count = this.#pacing.nextCount(waiting);
      if (count === 0) break;
      const taken = count === this.#waiting.length ? waiting.frames : framesOf(this.#waiting.slice(0, count));
      this.#waiting.splice(0, count);
      waiting = this.#look();
      subscriber.next(this.#pacing.batchOf(taken));
    }
    this.#reads = this.#pacing.readsOn;
    this.#pacing.stopIfReached(waiting);
    this.#finishWhenIdle();
  }

  #look(): Waiting {
    const frames = framesOf(this.#waiting);
    return { frames, bytes: frames.buffer.length };
  }

  #finishWhenIdle(): void {
    if (!this.#pacing.finished || this.#subscriber === undefined) return;
    this.feedback();
    this.#subscriber.complete();
  }
}

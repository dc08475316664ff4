import { Observable, type Subscriber } from "rxjs";
import { isRetryable } from "../../src/postgres/server-errors.js";
import type { Batch, Receipt, Sink } from "../../src/flow.js";
import type { Lsn } from "../../src/postgres/lsn.js";

/** Work in which anything else may happen at each `yield`. */
export type Steps<T> = Generator<void, T, void>;

/** A sink as `concatMap` over promises would make it, but what goes on when is up to the scheduler. */
export class SteppedSink<B extends Batch<Lsn>> {
  readonly #work: (batch: B, more: boolean) => Steps<Receipt<Lsn>>;
  readonly #close: () => void;
  readonly #queue: B[] = [];
  #current: Steps<Receipt<Lsn>> | undefined;
  #subscriber: Subscriber<Receipt<Lsn>> | undefined;
  #ended = false;

  constructor(work: (batch: B, more: boolean) => Steps<Receipt<Lsn>>, close: () => void) {
    this.#work = work;
    this.#close = close;
  }

  readonly sink: Sink<B, Lsn> = (batches$) =>
    new Observable<Receipt<Lsn>>((subscriber) => {
      this.#subscriber = subscriber;
      const batches = batches$.subscribe({
        next: (batch) => { this.#queue.push(batch); },
        error: (error: unknown) => { subscriber.error(error); },
        complete: () => { this.#ended = true; },
      });
      return () => {
        batches.unsubscribe();
        this.#subscriber = undefined;
        this.#close();
      };
    });

  /** There is something to do. */
  get ready(): boolean {
    return this.#subscriber !== undefined && (this.#current !== undefined || this.#queue.length > 0 || this.#ended);
  }

  /** One step of what is to be done. */
  step(): void {
    const subscriber = this.#subscriber;
    if (subscriber === undefined) return;
    if (this.#current === undefined) {
      const batch = this.#queue.shift();
      if (batch === undefined) {
        if (this.#ended) subscriber.complete();
        return;
      }
      this.#current = this.#work(batch, this.#queue.length > 0);
    }
    let next: IteratorResult<void, Receipt<Lsn>>;
    try {
      next = this.#current.next();
    } catch (error) {
      if (!isRetryable(error)) throw error;
      subscriber.error(error);
      return;
    }
    if (next.done !== true) return;
    this.#current = undefined;
    subscriber.next(next.value);
  }

  /** The connection to the shard breaks. */
  fail(): void {
    this.#subscriber?.error(new ConnectionLost("the connection to a shard"));
  }
}

export class ConnectionLost extends Error {
  readonly code = "ECONNRESET";
}

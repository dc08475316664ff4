import { defer, finalize, type Observable, type OperatorFunction, Subject, tap } from "rxjs";

/** What flows forward: many rows or changes at once. */
export interface Batch<P> {
  /** Counts up by one from 0 within one run of a source. */
  readonly sequence: number;
  /** Bytes this batch keeps in memory; what the window counts. */
  readonly bytes: number;
  /** Set where the source could start again right after this batch. */
  readonly resume?: P;
}

/** What flows back, as totals: a later receipt replaces an earlier one. */
export interface Receipt<P> {
  /** Every batch up to and including this sequence has left our memory. */
  readonly taken: number;
  /** Everything before this position is committed on every shard. */
  readonly durable?: P;
}

/** Emits batches; reads the receipts to know when it may read on and what it may acknowledge. */
export type Source<B extends Batch<P>, P> = (receipts$: Observable<Receipt<P>>) => Observable<B>;

/**
 * Turns batches into batches, one for one and synchronously. An operator never drops a batch, it empties it: the
 * sequence and position must reach the sink, or the source starves and the slot never advances.
 */
export type Operator<A, B = A> = OperatorFunction<A, B>;

/** Consumes batches and answers with receipts. */
export type Sink<B extends Batch<P>, P> = OperatorFunction<B, Receipt<P>>;

/**
 * Closes the loop source → operator → sink → receipts → source. Subscribing starts it, unsubscribing stops it, and
 * subscribing again (`retry`) starts the source anew from what it finds durable.
 *
 * ```
 * source  --0--1--2------3-----|        reads on while less than the window is on the way
 * sink    ----t0--t1--t2----t3d|        taken … durable
 * ```
 */
export function run<A extends Batch<P>, B extends Batch<P>, P>(
  source: Source<A, P>,
  operator: Operator<A, B>,
  sink: Sink<B, P>,
): Observable<Receipt<P>> {
  return defer(() => {
    const receipts$ = new Subject<Receipt<P>>();
    return source(receipts$).pipe(
      operator,
      sink,
      tap((receipt) => { receipts$.next(receipt); }),
      finalize(() => { receipts$.complete(); }),
    );
  });
}

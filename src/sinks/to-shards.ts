import { connect, map, merge, mergeMap, of, EMPTY, type Observable } from "rxjs";
import type { Batch, Receipt, Sink } from "../flow.js";
import { type Lsn, minLsn } from "../postgres/lsn.js";

/**
 * Hands every shard its part of every batch, also an empty one, and passes on the least of their receipts: what all
 * shards have taken, what all have made durable. `undefined` in place of a sink leaves that shard out.
 *
 * ```
 * in        --0-----1------2--
 * shard 0     t0    t1     t2, durable 2
 * shard 1       t0     t1        t2
 * out           t0     t1        t2       durable only once shard 1 says so too
 * ```
 */
export function toShards<B extends Batch<Lsn>, S extends Batch<Lsn>>(
  split: (batch: B, shard: number) => S,
  sinks: readonly (Sink<S, Lsn> | undefined)[],
): Sink<B, Lsn> {
  return connect((batches$: Observable<B>) => {
    const shards = sinks.flatMap((sink, shard) => (sink === undefined ? [] : [{ sink, shard }]));
    const least = new LeastReceipt(shards.length);
    return merge(...shards.map(({ sink, shard }, index) => batches$.pipe(map((batch) => split(batch, shard)), sink, map((receipt) => [index, receipt] as const)))).pipe(
      mergeMap(([index, receipt]) => {
        const changed = least.update(index, receipt);
        return changed === undefined ? EMPTY : of(changed);
      }),
    );
  });
}

/** The minimum over the receipts of several sinks, computed from the newest of each. */
export class LeastReceipt {
  readonly #taken: number[];
  readonly #durable: (Lsn | undefined)[];
  #last: Receipt<Lsn> = { taken: -1 };

  constructor(sinks: number) {
    this.#taken = new Array<number>(sinks).fill(-1);
    this.#durable = new Array<Lsn | undefined>(sinks).fill(undefined);
  }

  /** The new minimum if this receipt moved it. */
  update(index: number, receipt: Receipt<Lsn>): Receipt<Lsn> | undefined {
    this.#taken[index] = receipt.taken;
    this.#durable[index] = receipt.durable ?? this.#durable[index];
    const taken = Math.min(...this.#taken);
    const durable = this.#durable.reduce((a, b) => (a === undefined || b === undefined ? undefined : minLsn(a, b)));
    if (taken === this.#last.taken && durable === this.#last.durable) return undefined;
    this.#last = durable === undefined ? { taken } : { taken, durable };
    return this.#last;
  }
}

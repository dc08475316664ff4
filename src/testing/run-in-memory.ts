import { asyncScheduler, concatMap, map, Observable, type SchedulerLike, timer, VirtualTimeScheduler } from "rxjs";
import { type Batch, type Operator, type Receipt, run, type Sink, type Source } from "../flow.js";
import type { Lsn } from "../postgres/lsn.js";
import { toShards } from "../sinks/to-shards.js";

/** Batches through operators into shards in memory. */
export interface MemoryFlow<A extends Batch<Lsn>, B extends Batch<Lsn>, S extends Batch<Lsn>> {
  readonly batches: readonly A[];
  readonly operator: Operator<A, B>;
  /** A shard's part of a batch. */
  readonly split: (batch: B, shard: number) => S;
  /** What each shard does with a part once it has it. */
  readonly shards: readonly ((part: S) => void)[];
  /** Milliseconds that shard 0 takes for its first part, shard 1 for its first, and so on through all parts, again and again; 1 where absent. */
  readonly delays?: readonly number[];
  /** Bytes on the way at a time; one batch may be larger. */
  readonly window?: number;
}

/** What came of it. */
export interface MemoryRun {
  /** By shard: the sequences of the parts it was handed. */
  readonly handed: readonly (readonly number[])[];
  /** With the virtual millisecond of each. */
  readonly receipts: readonly { readonly at: number; readonly receipt: Receipt<Lsn> }[];
  /** False: the source waits for a receipt that never comes. */
  readonly completed: boolean;
}

/**
 * Runs a flow to its end in virtual time: the loop of receipts is the real one, and nothing waits.
 *
 * ```
 * source   --0--1--------2--|     while less than the window is on the way
 * shard 0  ----0---1-----------2
 * shard 1  ------0----1--------2
 * ```
 *
 * @throws what the operator throws
 */
export function runInMemory<A extends Batch<Lsn>, B extends Batch<Lsn>, S extends Batch<Lsn>>({ batches, operator, split, shards, delays = [1], window = 4096 }: MemoryFlow<A, B, S>): MemoryRun {
  const clock = new VirtualTimeScheduler();
  const handed: number[][] = shards.map(() => []);
  const receipts: { at: number; receipt: Receipt<Lsn> }[] = [];
  const sinks = shards.map((write, shard): Sink<S, Lsn> => memorySink(clock, ({ sequence }) => delays[(sequence * shards.length + shard) % delays.length]!, (part) => {
    handed[shard]!.push(part.sequence);
    write(part);
  }));
  let completed = false;
  let failure: { readonly error: unknown } | undefined;
  run(memorySource(batches, window, clock), operator, toShards(split, sinks)).subscribe({
    next: (receipt) => { receipts.push({ at: clock.now(), receipt }); },
    error: (error: unknown) => { failure = { error }; },
    complete: () => { completed = true; },
  });
  clock.flush();
  if (failure !== undefined) throw failure.error;
  return { handed, receipts, completed };
}

/** Batches as fast as receipts come back. */
export function memorySource<B extends Batch<Lsn>>(batches: readonly B[], window: number, scheduler: SchedulerLike = asyncScheduler): Source<B, Lsn> {
  return (receipts$) => new Observable((subscriber) => {
    let next = 0;
    let taken = -1;
    let waiting = false;
    const go = (): void => {
      if (waiting || subscriber.closed) return;
      if (next === batches.length) {
        subscriber.complete();
        return;
      }
      const onTheWay = batches.slice(taken + 1, next).reduce((sum, { bytes }) => sum + bytes, 0);
      if (onTheWay > 0 && onTheWay + batches[next]!.bytes > window) return;
      waiting = true;
      subscriber.add(scheduler.schedule(() => {
        waiting = false;
        subscriber.next(batches[next++]!);
        go();
      }, 1));
    };
    subscriber.add(receipts$.subscribe((receipt) => {
      taken = receipt.taken;
      go();
    }));
    go();
  });
}

/** Takes a part when it is done with the one before. */
export function memorySink<S extends Batch<Lsn>>(scheduler: SchedulerLike, delay: (part: S) => number, write: (part: S) => void): Sink<S, Lsn> {
  return (parts$) => {
    let durable: Lsn | undefined;
    return parts$.pipe(
      concatMap((part) => timer(delay(part), scheduler).pipe(map((): Receipt<Lsn> => {
        write(part);
        durable = part.resume ?? durable;
        return { taken: part.sequence, ...(durable === undefined ? {} : { durable }) };
      }))),
    );
  };
}

import { concatMap, defer, map, of, timer, type SchedulerLike, asyncScheduler } from "rxjs";
import { z } from "zod";
import type { Batch, Operator } from "../../flow.js";
import type { OperatorDefinition } from "../table-operator.js";
import { numberOption } from "./option-schemas.js";

const rate = (what: string) => numberOption((value) => Number.isFinite(value) && value > 0, `a number of ${what} above 0`).optional();

export const throttleOptions = z.strictObject({
  rows_per_second: rate("rows").describe("Rows, or changes, a second."),
  bytes_per_second: rate("bytes").describe("Bytes a second, as they come from the source."),
}).refine(({ rows_per_second, bytes_per_second }) => rows_per_second !== undefined || bytes_per_second !== undefined, { error: "rows_per_second, bytes_per_second or both" });
export type ThrottleOptions = z.infer<typeof throttleOptions>;

/** What batches may pass in a second, for all flows that share it. */
export class Throttle {
  readonly #rowsPerSecond: number;
  readonly #bytesPerSecond: number;
  /** When all that has passed will have taken its time; milliseconds. */
  #free = 0;

  constructor({ rows_per_second: rows = Infinity, bytes_per_second: bytes = Infinity }: ThrottleOptions) {
    this.#rowsPerSecond = rows;
    this.#bytesPerSecond = bytes;
  }

  /**
   * Takes the place of a batch behind those that came before. Time in which nothing came is not made up for.
   * @param now milliseconds
   * @returns milliseconds until it may pass
   */
  wait(now: number, rows: number, bytes: number): number {
    const start = Math.max(now, this.#free);
    this.#free = start + 1000 * Math.max(rows / this.#rowsPerSecond, bytes / this.#bytesPerSecond);
    return start - now;
  }
}

/** Lets batches pass at most at the rate of `shared`: each waits until those before it have had their time. */
export function throttle<B extends Batch<unknown>>(shared: Throttle, rowsOf: (batch: B) => number, scheduler: SchedulerLike = asyncScheduler): Operator<B> {
  return (batches$) =>
    defer(() =>
      batches$.pipe(
        concatMap((batch) => {
          const wait = shared.wait(scheduler.now(), rowsOf(batch), batch.bytes);
          return wait > 0 ? timer(wait, scheduler).pipe(map(() => batch)) : of(batch);
        }),
      ),
    );
}

/**
 * Lets batches pass at most at a rate: each waits until those before it have had their time.
 *
 * It holds batches back, which operators of a table may not: it stands before them, once for a flow. Batches that wait are
 * on the way, so the window closes behind them and the source stops reading.
 *
 * ```
 * rows_per_second = 1000
 * in   --(abc)-------------------|      500 rows each, at once
 * out  --a----b----c-------------|      half a second apart
 * ```
 *
 * @example
 * ```toml
 * [operators.gently]
 * type = "throttle"
 * bytes_per_second = 20_000_000
 * ```
 */
export const throttleOperator: OperatorDefinition<ThrottleOptions> = {
  name: "throttle",
  options: throttleOptions,
  // Tables are left as they are: `PipelineOperators.paced` holds the batches back.
  create: () => undefined,
};

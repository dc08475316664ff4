import fc from "fast-check";
import { from, toArray } from "rxjs";
import { type RunHelpers, TestScheduler } from "rxjs/testing";
import { describe, expect, test } from "vitest";
import type { Batch } from "../../../src/flow.js";
import { Throttle, throttle, throttleOptions, type ThrottleOptions } from "../../../src/operators/stock/throttle.js";

interface Rows extends Batch<bigint> {
  readonly rows: number;
}

const rowsOf = ({ rows }: Rows): number => rows;

/** Batches a, b, c, d of these rows, each of 100 bytes a row. */
function batches(rows: readonly number[]): Record<string, Rows> {
  return Object.fromEntries(rows.map((count, sequence) => ["abcd"[sequence]!, { sequence, bytes: 100 * count, rows: count, resume: BigInt(sequence) }]));
}

function scheduled(check: (helpers: RunHelpers, scheduler: TestScheduler) => void): void {
  const scheduler = new TestScheduler((actual, expected) => { expect(actual).toEqual(expected); });
  scheduler.run((helpers) => { check(helpers, scheduler); });
}

describe("throttle", () => {
  test.each<readonly [name: string, options: ThrottleOptions, rows: readonly number[], marbles: string, expected: string]>([
    ["batches that come at once pass one after the other", { rows_per_second: 1000 }, [500, 250, 500], "(abc|)", "a 499ms b 249ms (c|)"],
    ["bytes count too", { rows_per_second: 1e9, bytes_per_second: 100_000 }, [500, 250, 500], "(abc|)", "a 499ms b 249ms (c|)"],
    ["what is slow enough is not held up", { rows_per_second: 1000 }, [5, 5, 5], "a 9ms b 9ms c 9ms |", "a 9ms b 9ms c 9ms |"],
    ["time in which nothing came is not made up for", { rows_per_second: 1000 }, [10, 10, 10], "a 99ms (bc|)", "a 99ms b 9ms (c|)"],
    ["a batch without rows waits behind those before it only", { rows_per_second: 1000 }, [100, 0, 0], "(abc|)", "a 99ms (bc|)"],
    ["an error comes at once", { rows_per_second: 1000 }, [100, 100], "(ab) 10ms #", "a 13ms #"],
  ])("%s", (_name, options, rows, marbles, expected) => {
    scheduled(({ cold, expectObservable }, scheduler) => {
      expectObservable(cold(marbles, batches(rows)).pipe(throttle(new Throttle(options), rowsOf, scheduler))).toBe(expected, batches(rows));
    });
  });

  test("several flows share it", () => {
    scheduled(({ cold, expectObservable }, scheduler) => {
      const shared = new Throttle({ rows_per_second: 1000 });
      const values = batches([100, 100]);
      expectObservable(cold("(ab|)", values).pipe(throttle(shared, rowsOf, scheduler))).toBe("a 99ms (b|)", values);
      expectObservable(cold("(ab|)", values).pipe(throttle(shared, rowsOf, scheduler))).toBe("200ms a 99ms (b|)", values);
    });
  });

  test("no batch is lost, all keep their order, and none is early", () => {
    fc.assert(fc.property(fc.array(fc.nat({ max: 50 }), { maxLength: 20 }), fc.integer({ min: 1, max: 1000 }), (rows, rate) => {
      const shared = new Throttle({ rows_per_second: rate });
      let now = 0;
      let passed = 0;
      for (const count of rows) {
        now += shared.wait(now, count, 0);
        expect(now + 1e-6).toBeGreaterThanOrEqual((passed / rate) * 1000);
        passed += count;
      }
      scheduled((_helpers, scheduler) => {
        const out: Rows[][] = [];
        const all = rows.map((count, sequence): Rows => ({ sequence, bytes: 0, rows: count }));
        from(all).pipe(throttle(new Throttle({ rows_per_second: rate }), rowsOf, scheduler), toArray()).subscribe((batch) => { out.push(batch); });
        scheduler.flush();
        expect(out).toEqual([all]);
      });
    }), { numRuns: 50 });
  });

  test("takes one rate at least", () => {
    expect(throttleOptions.safeParse({}).success).toBe(false);
    expect(throttleOptions.safeParse({ rows_per_second: 0 }).success).toBe(false);
    expect(throttleOptions.safeParse({ rows_per_second: 0.5 })).toEqual({ success: true, data: { rows_per_second: 0.5 } });
  });
});

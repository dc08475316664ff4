import fc from "fast-check";
import { delay, map, mergeMap, NEVER, of, tap, throwError } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { describe, expect, test } from "vitest";
import type { Batch, Receipt, Sink } from "../../src/flow.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import { LeastReceipt, toShards } from "../../src/sinks/to-shards.js";

interface Part extends Batch<Lsn> {
  readonly shard?: number;
}

const batches: Record<string, Part> = { a: { sequence: 0, bytes: 1 }, b: { sequence: 1, bytes: 1, resume: 100n }, c: { sequence: 2, bytes: 1, resume: 200n } };
const split = (batch: Part, shard: number): Part => ({ ...batch, shard });

function answer(frames: number): Sink<Part, Lsn> {
  return (parts$) => parts$.pipe(map((part): Receipt<Lsn> => ({ taken: part.sequence, ...(part.resume === undefined ? {} : { durable: part.resume }) })), delay(frames));
}

function scheduler(): TestScheduler {
  return new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  });
}

describe("toShards", () => {
  test("passes on what the slowest has taken and made durable", () => {
    scheduler().run(({ cold, expectObservable }) => {
      expectObservable(cold("a----b----c|", batches).pipe(toShards(split, [answer(1), answer(3)]))).toBe("---x----y----(z|)", {
        x: { taken: 0 }, y: { taken: 1, durable: 100n }, z: { taken: 2, durable: 200n },
      });
    });
  });

  test("nothing is durable before every shard says so", () => {
    scheduler().run(({ cold, expectObservable }) => {
      const takesOnly: Sink<Part, Lsn> = map((part) => ({ taken: part.sequence }));
      expectObservable(cold("a-b-c|", batches).pipe(toShards(split, [answer(0), takesOnly]))).toBe("x-y-z|", { x: { taken: 0 }, y: { taken: 1 }, z: { taken: 2 } });
    });
  });

  test("hands every shard its own part of every batch, and leaves out a shard without a sink", () => {
    scheduler().run(({ cold, expectObservable, flush }) => {
      const seen: [number, number | undefined][] = [];
      const note: Sink<Part, Lsn> = (parts$) => parts$.pipe(tap((part) => seen.push([part.sequence, part.shard])), answer(0));
      expectObservable(cold("a-b|", batches).pipe(toShards(split, [note, undefined, note]))).toBe("x-y|", { x: { taken: 0 }, y: { taken: 1, durable: 100n } });
      flush();
      expect(seen).toEqual([[0, 0], [0, 2], [1, 0], [1, 2]]);
    });
  });

  test("a shard that fails ends all of them and lets the source go", () => {
    scheduler().run(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const failure = new Error("shard 1");
      const fails: Sink<Part, Lsn> = (parts$) => parts$.pipe(mergeMap((part) => (part.sequence === 1 ? throwError(() => failure) : of({ taken: part.sequence }))));
      let ended = false;
      const other: Sink<Part, Lsn> = (parts$) => parts$.pipe(answer(0), tap({ finalize: () => { ended = true; } }));
      const source$ = cold("a--b--c", batches);
      expectObservable(source$.pipe(toShards(split, [other, fails]))).toBe("x--#", { x: { taken: 0 } }, failure);
      expectSubscriptions(source$.subscriptions).toBe("^--!");
      flush();
      expect(ended).toBe(true);
    });
  });

  test("an error of the source reaches every shard; the end waits for the slowest", () => {
    scheduler().run(({ cold, expectObservable }) => {
      expectObservable(cold("a-#", batches).pipe(toShards(split, [answer(0), answer(0)]))).toBe("x-#", { x: { taken: 0 } });
      expectObservable(cold("a-#", batches).pipe(toShards(split, [answer(0), () => NEVER]))).toBe("--#");
      expectObservable(cold("a|", batches).pipe(toShards(split, [answer(0), answer(5)]))).toBe("-----(x|)", { x: { taken: 0 } });
    });
  });
});

test("LeastReceipt is the minimum of the newest receipts, said once", () => {
  const use = fc.record({ sink: fc.nat(4), taken: fc.nat(3), durable: fc.option(fc.bigInt(0n, 3n), { nil: undefined }) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(use, { maxLength: 40 }), (sinks, uses) => {
      const least = new LeastReceipt(sinks);
      // Receipts are totals: they only grow.
      const taken = new Array<number>(sinks).fill(-1);
      const durable = new Array<Lsn | undefined>(sinks).fill(undefined);
      let said: Receipt<Lsn> = { taken: -1 };
      for (const { sink, taken: more, durable: further } of uses) {
        const index = sink % sinks;
        taken[index]! += more;
        if (further !== undefined) durable[index] = (durable[index] ?? 0n) + further;
        const answered = least.update(index, { taken: taken[index]!, ...(further === undefined ? {} : { durable: durable[index]! }) });
        const known = durable.filter((position) => position !== undefined);
        const expected: Receipt<Lsn> = {
          taken: Math.min(...taken),
          ...(known.length === sinks ? { durable: known.reduce((a, b) => (a < b ? a : b)) } : {}),
        };
        if (expected.taken === said.taken && expected.durable === said.durable) expect(answered).toBeUndefined();
        else expect(answered).toEqual(expected);
        said = expected;
      }
    }),
  );
});

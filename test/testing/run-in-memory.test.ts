import { filter, identity, map } from "rxjs";
import { describe, expect, test } from "vitest";
import type { Batch } from "../../src/flow.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import { runInMemory } from "../../src/testing/run-in-memory.js";

const batches = Array.from({ length: 4 }, (_, sequence): Batch<Lsn> => ({ sequence, bytes: 10, ...(sequence % 2 === 1 ? { resume: BigInt(sequence) } : {}) }));
const same = (batch: Batch<Lsn>): Batch<Lsn> => batch;

describe("a flow in memory", () => {
  test("hands every shard every batch, and its receipts come at virtual times", () => {
    const seen: string[] = [];
    const result = runInMemory({ batches, operator: identity, split: same, shards: [0, 1].map((shard) => ({ sequence }: Batch<Lsn>) => { seen.push(`${shard}:${sequence}`); }), delays: [10, 20], window: 20 });
    expect(result.completed).toBe(true);
    expect(result.handed).toEqual([[0, 1, 2, 3], [0, 1, 2, 3]]);
    // Two batches are on the way at most: shard 0 is never more than two ahead.
    expect(seen).toEqual(["0:0", "1:0", "0:1", "0:2", "1:1", "0:3", "1:2", "1:3"]);
    expect(result.receipts).toEqual([
      { at: 21, receipt: { taken: 0 } }, { at: 41, receipt: { taken: 1, durable: 1n } }, { at: 61, receipt: { taken: 2, durable: 1n } }, { at: 81, receipt: { taken: 3, durable: 3n } },
    ]);
  });

  test("starves where an operator drops a batch and the window is full", () => {
    const result = runInMemory({ batches, operator: filter(({ sequence }: Batch<Lsn>) => sequence === 3), split: same, shards: [() => undefined], window: 20 });
    expect(result).toEqual({ handed: [[]], receipts: [], completed: false });
  });

  test("throws what an operator throws", () => {
    expect(() => runInMemory({ batches, operator: map(() => { throw new Error("no"); }), split: same, shards: [() => undefined] })).toThrow("no");
  });
});

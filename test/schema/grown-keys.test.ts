import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { grownKeys, type NarrowColumn } from "../../src/schema/grown-keys.js";

const column = (bytes: 2 | 4, values: readonly bigint[] | undefined, ...next: readonly bigint[]): NarrowColumn => ({
  schema: "public", name: "t", column: "id", bytes, values, sequences: next.map((number) => ({ name: { schema: "public", name: "t_id_seq" }, next: number })),
});

describe("keys that grew", () => {
  it.each<[string, NarrowColumn, ReturnType<typeof grownKeys>]>([
    ["nothing in it", column(4, []), { beyond: [], soon: [], unseen: [] }],
    ["the last that fits", column(4, [-2147483647n, 2147483647n]), { beyond: [], soon: ["t.id (integer) holds 2147483647"], unseen: [] }],
    ["a value beyond", column(4, [1n, 2147483648n], 7n), { beyond: ["t.id (integer) holds 2147483648"], soon: [], unseen: [] }],
    ["a value beyond the other end", column(2, [-32769n, 1n]), { beyond: ["t.id (smallint) holds -32769"], soon: [], unseen: [] }],
    ["a sequence beyond", column(2, [5n], 40000n), { beyond: ["t.id (smallint) gets 40000 next from t_id_seq"], soon: [], unseen: [] }],
    ["a sequence in the last fifth", column(4, undefined, 1717986919n), { beyond: [], soon: ["t.id (integer) gets 1717986919 next from t_id_seq"], unseen: [] }],
    ["a sequence before the last fifth", column(4, undefined, 1717986917n), { beyond: [], soon: [], unseen: [] }],
    ["no index and no sequence", column(4, undefined), { beyond: [], soon: [], unseen: ["t.id"] }],
    ["the furthest of several shards' sequences", column(4, [1n], 5n, 3000000000n, 2000000000n), { beyond: ["t.id (integer) gets 3000000000 next from t_id_seq"], soon: [], unseen: [] }],
  ])("%s", (_, given, expected) => {
    expect(grownKeys([given])).toEqual(expected);
  });

  it("are told of exactly where some number does not fit", () => {
    const numbers = fc.array(fc.bigInt({ min: -(2n ** 33n), max: 2n ** 33n }), { maxLength: 4 });
    fc.assert(fc.property(fc.constantFrom(2 as const, 4 as const), numbers, numbers, (bytes, values, next) => {
      const limit = 2n ** BigInt(8 * bytes - 1);
      const beyond = [...values, ...next].some((value) => value < -limit || value >= limit);
      const found = grownKeys([column(bytes, values, ...next)]);
      expect(found.beyond.length).toBe(beyond ? 1 : 0);
      if (beyond) expect(found.soon).toEqual([]);
    }));
  });
});

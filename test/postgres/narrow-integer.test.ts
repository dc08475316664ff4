import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { narrowedBytes, textFits, writeNarrowed } from "../../src/postgres/narrow-integer.js";

/** Around the ends of all three types, and anywhere. */
const integers = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.tuple(fc.constantFrom(-(2n ** 31n), 2n ** 31n, -(2n ** 15n), 2n ** 15n, 0n), fc.integer({ min: -3, max: 3 })).map(([end, off]) => end + BigInt(off)));
const widths = fc.constantFrom(2 as const, 4 as const);

describe("a bigint in a smaller column", () => {
  it("keeps its value, or is refused", () => {
    fc.assert(fc.property(integers, widths, fc.nat(5), fc.nat(5), (value, bytes, before, to) => {
      const source = Buffer.alloc(before + 8, 0xaa);
      source.writeBigInt64BE(value, before);
      const target = Buffer.alloc(to + 8, 0x55);
      const end = writeNarrowed(target, to, source, before, 8, bytes);
      const limit = 2n ** BigInt(8 * bytes - 1);
      const fits = value >= -limit && value < limit;
      expect(end).toBe(fits ? to + bytes : -1);
      if (fits) expect(target.readIntBE(to, bytes)).toBe(Number(value));
      expect(target.subarray(fits ? to + bytes : 0).every((byte) => byte === 0x55)).toBe(true);
      expect(textFits(value.toString(), bytes)).toBe(fits);
    }), { examples: [[2n ** 31n, 4, 0, 0], [-(2n ** 31n) - 1n, 4, 0, 0], [2n ** 53n + 1n, 4, 0, 0]] });
  });

  it("is expected where a bigint comes for an integer or a smallint, and nowhere else", () => {
    expect([narrowedBytes(20, 23), narrowedBytes(20, 21), narrowedBytes(23, 21), narrowedBytes(20, 20), narrowedBytes(23, 20), narrowedBytes(20, 1700)]).toEqual([4, 2, undefined, undefined, undefined, undefined]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../src/demo/random.js";

describe("seededRandom", () => {
  it("gives the numbers of the published mulberry32", () => {
    const random = seededRandom(1);
    expect([random.fraction(), random.fraction(), random.fraction()]).toEqual([0.6270739405881613, 0.002735721180215478, 0.5274470399599522]);
  });

  it("repeats itself for the same seed and stays within bounds", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: -1000, max: 1000 }), fc.nat(1_000_000), (seed, low, width) => {
        const [one, other] = [seededRandom(seed), seededRandom(seed)];
        for (let i = 0; i < 20; i++) {
          const value = one.integer(low, low + width);
          expect(value).toBe(other.integer(low, low + width));
          expect(Number.isInteger(value) && value >= low && value <= low + width).toBe(true);
        }
      }),
    );
  });
});

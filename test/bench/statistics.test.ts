import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ratiosOf, spreadOf } from "../../bench/statistics.js";

describe("a spread", () => {
  test.each([
    [[3], { median: 3, least: 3, most: 3 }],
    [[9, 1, 2], { median: 2, least: 1, most: 9 }],
    [[10, 9, 2, 1], { median: 5.5, least: 1, most: 10 }],
  ])("of %j", (values, spread) => {
    expect(spreadOf(values)).toEqual(spread);
  });

  test("has as many values at or below the median as at or above it, in whatever order they came", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 }), (values) => {
        const { median, least, most } = spreadOf(values);
        const half = values.length / 2;
        expect(values.filter((value) => value <= median).length).toBeGreaterThanOrEqual(half);
        expect(values.filter((value) => value >= median).length).toBeGreaterThanOrEqual(half);
        expect([least, most]).toEqual([Math.min(...values), Math.max(...values)]);
        expect(spreadOf([...values].reverse())).toEqual({ median, least, most });
      }),
    );
  });

  test("needs a value", () => {
    expect(() => spreadOf([])).toThrow(RangeError);
  });
});

describe("ratios", () => {
  test("are taken pair by pair", () => {
    expect(ratiosOf([1, 2, 9], [2, 8, 3])).toEqual([0.5, 0.25, 3]);
  });

  test("refuse a value without its other", () => {
    expect(() => ratiosOf([1], [1, 2])).toThrow(RangeError);
  });
});

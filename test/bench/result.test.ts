import { describe, expect, test } from "vitest";
import { type Measured, resultOf, type Target } from "../../bench/result.js";

const MEASURED: Omit<Measured, "target"> = {
  benchmark: "copy",
  what: "rows",
  subject: { label: "ours", seconds: [1, 4, 2] },
  baseline: { label: "theirs", seconds: [4, 4, 2] },
  amounts: [{ unit: "MB", amount: 8 }, { unit: "rows", amount: 80 }],
  conditions: {},
};

function reached(target: Omit<Target, "text">): boolean {
  return resultOf({ ...MEASURED, target: { ...target, text: "" } }).reached;
}

describe("a result", () => {
  const result = resultOf({ ...MEASURED, target: { of: "rate", bound: "at least", value: 4, text: "" } });

  test("has the rate of each amount", () => {
    expect(result.subjectRates).toEqual([
      { unit: "MB/s", median: 4, least: 2, most: 8 },
      { unit: "rows/s", median: 40, least: 20, most: 80 },
    ]);
    expect(result.baselineRates[0]).toEqual({ unit: "MB/s", median: 2, least: 2, most: 4 });
  });

  test("compares within pairs, not medians", () => {
    expect(result.timeRatio).toEqual({ median: 1, least: 0.25, most: 1 });
    expect(result.rateRatio).toEqual({ median: 1, least: 1, most: 4 });
  });
});

test.each<[Target["of"], Target["bound"], number, boolean]>([
  ["rate", "at least", 4, true],
  ["rate", "at least", 4.1, false],
  ["rate ratio", "at least", 1, true],
  ["rate ratio", "at least", 1.3, false],
  ["time ratio", "at most", 1, true],
  ["time ratio", "at most", 0.7, false],
])("a %s of %s %d: reached %j", (of, bound, value, expected) => {
  expect(reached({ of, bound, value })).toBe(expected);
});

import { describe, expect, test } from "vitest";
import { readOptions } from "../../bench/options.js";

describe("options", () => {
  test("without words: everything, at full size", () => {
    expect(readOptions([])).toEqual({ benchmarks: ["split", "operators", "copy", "apply", "cutover"], json: false, rounds: 3, megabytes: 256, rows: 2_000_000, transactions: 100_000, beside: undefined });
  });

  test("names choose benchmarks", () => {
    expect(readOptions(["apply", "split", "--json", "--transactions", "500", "--beside", "subscription"])).toMatchObject({
      benchmarks: ["split", "apply"], json: true, transactions: 500, beside: "subscription",
    });
  });

  test.each([[["spilt"]], [["--rows", "0"]], [["--rounds", "2.5"]], [["--megabytes", "1e3"]], [["--beside", "nothing"]], [["--row", "5"]]])("%j is a usage error", (words) => {
    expect(() => readOptions(words)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});

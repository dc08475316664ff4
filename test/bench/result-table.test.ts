import { describe, expect, test } from "vitest";
import { resultOf } from "../../bench/result.js";
import { columns, figure, resultTable } from "../../bench/result-table.js";

describe("figures", () => {
  test.each([
    [0, "0"],
    [0.01234, "0.0123"],
    [0.5, "0.500"],
    [1.234, "1.23"],
    [45.67, "45.7"],
    [789.4, "789"],
    [999.7, "1,000"],
    [1234567, "1,230,000"],
  ])("%d is shown as %s", (value, text) => {
    expect(figure(value)).toBe(text);
  });
});

test("columns: words to the left, figures to the right", () => {
  expect(columns([["", "s"], ["long name", "1"], ["short", "100"]])).toEqual(["             s", "long name    1", "short      100"]);
});

test("a table says what was compared, how, and whether the target was reached", () => {
  const result = resultOf({
    benchmark: "copy",
    what: "one table",
    subject: { label: "pg-reshard", seconds: [2, 1, 4] },
    baseline: { label: "psql | psql", seconds: [4, 4, 4] },
    amounts: [{ unit: "rows", amount: 1000 }],
    target: { of: "time ratio", bound: "at most", value: 0.7, text: "at most 0.7 of the time" },
    conditions: { settings: "fsync = on" },
  });
  expect(resultTable([result])).toBe(
    [
      "copy: one table",
      "                        seconds           rows/s",
      "  pg-reshard   2.00 (1.00-4.00)  500 (250-1,000)",
      "  psql | psql  4.00 (4.00-4.00)    250 (250-250)",
      "  time 0.500 (0.250-1.00) of the other's, rate 2.00 (1.00-4.00) times the other's",
      "  target: at most 0.7 of the time - reached",
      "  settings: fsync = on",
      "",
    ].join("\n"),
  );
});

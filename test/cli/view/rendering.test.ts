import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bar } from "../../../src/cli/view/bar.js";
import { displayWidth, left, printable, right, truncated } from "../../../src/cli/view/fit.js";
import { paintWith } from "../../../src/cli/view/paint.js";
import { counted, formatCount } from "../../../src/words.js";
import { formatBytes, formatDuration, formatShare, timeLeft } from "../../../src/cli/view/quantities.js";
import { RateMeter } from "../../../src/cli/view/rate-meter.js";
import { textTable } from "../../../src/cli/view/text-table.js";

describe("quantities", () => {
  it.each([
    [0, "0 B"], [999, "999 B"], [1000, "1.0 kB"], [1234, "1.2 kB"], [99_949, "99.9 kB"], [99_950, "100 kB"],
    [999_499, "999 kB"], [999_500, "1.0 MB"], [12_345_678, "12.3 MB"], [5e12, "5.0 TB"], [2e18, "2000 PB"],
  ])("writes %d bytes as %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0, "0 ms"], [999.4, "999 ms"], [1000, "1.0 s"], [9949, "9.9 s"], [9950, "10 s"], [59_499, "59 s"], [59_500, "1 min 00 s"],
    [125_000, "2 min 05 s"], [3_599_999, "1 h 00 min"], [3_720_000, "1 h 02 min"], [273_600_000, "3 d 04 h"],
  ])("writes %d ms as %s", (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  it("separates thousands and finds the plural", () => {
    expect([0, 999, 1000, 1_234_567].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567"]);
    expect([counted(1, "table"), counted(2000, "row"), counted(3, "index", "indexes")]).toEqual(["1 table", "2,000 rows", "3 indexes"]);
  });

  it("rounds shares down, so that 100% is the end", () => {
    expect([-1, 0, 0.999, 1, 7].map(formatShare)).toEqual(["0%", "0%", "99%", "100%", "100%"]);
  });

  it("tells the time left only where a rate tells it", () => {
    expect(timeLeft(100, undefined)).toBeUndefined();
    expect(timeLeft(100, 0)).toBeUndefined();
    expect(timeLeft(0, 10)).toBeUndefined();
    expect([1, 890, 6000, 500_000, 5_000_000].map((remaining) => timeLeft(remaining, 10))).toEqual(["1 s left", "89 s left", "10 min left", "14 h left", "6 d left"]);
  });
});

describe("fitting", () => {
  const anyText = fc.string({ unit: "grapheme", maxLength: 40 });

  it("never exceeds the width, whatever the text", () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 0, max: 30 }), (text, width) => {
        expect(displayWidth(truncated(printable(text), width))).toBeLessThanOrEqual(width);
        expect(displayWidth(left(printable(text), width))).toBe(width);
      }),
    );
  });

  it("counts cells, not characters", () => {
    expect(displayWidth("Größe")).toBe(5);
    expect(displayWidth("Gro\u0308ße")).toBe(5);
    expect(displayWidth("表🐘")).toBe(4);
    expect(truncated("表表表", 5)).toBe("表表…");
    expect(left("表表表", 6)).toBe("表表表");
    expect(right("12", 4)).toBe("  12");
    expect(right("123456", 4)).toBe("123456");
  });

  it("shows no control characters, which names may hold", () => {
    expect(printable("a\u001b[2Jb\nc\u0007")).toBe("a�[2Jb�c�");
    expect(printable("a\nb\r", true)).toBe("a\nb�");
  });
});

describe("bar", () => {
  it("is as wide as asked and grows with the share", () => {
    expect([0, 0.5, 0.54, 1, 2, -1].map((share) => bar(share, 4))).toEqual(["░░░░", "██░░", "██▏░", "████", "████", "░░░░"]);
    fc.assert(fc.property(fc.double({ min: -1, max: 2, noNaN: true }), fc.integer({ min: 1, max: 40 }), (share, width) => { expect(displayWidth(bar(share, width))).toBe(width); }));
  });
});

describe("RateMeter", () => {
  it("measures over the last seconds and forgets what was before", () => {
    const meter = new RateMeter();
    expect(meter.perSecond(0)).toBeUndefined();
    meter.add(0, 0);
    expect(meter.perSecond(1000)).toBeUndefined();
    for (let at = 250; at <= 10_000; at += 250) meter.add(at <= 5000 ? at : 5000 + (at - 5000) * 3, at);
    expect(meter.perSecond(10_000)).toBe(3000);
    expect(meter.perSecond(20_000)).toBeLessThan(3000);
    meter.reset();
    expect(meter.perSecond(20_000)).toBeUndefined();
  });

  it("keeps few samples of many", () => {
    const meter = new RateMeter();
    for (let at = 0; at < 1000; at++) meter.add(at * 7, at);
    expect(meter.perSecond(999)).toBeCloseTo(7000, 0);
  });
});

describe("textTable", () => {
  it("aligns, and cuts only what may shrink", () => {
    const columns = [{ heading: "table", align: "left", shrinks: true }, { heading: "rows", align: "right" }] as const;
    const rows = [["a_table_with_quite_a_long_name", "1,000"], ["b", "2"]];
    expect(textTable(columns, rows, 80)).toEqual(["table                            rows", "a_table_with_quite_a_long_name  1,000", "b                                   2"]);
    expect(textTable(columns, rows, 20)).toEqual(["table           rows", "a_table_with…  1,000", "b                  2"]);
    expect(textTable(columns, rows, 5)[1]).toBe("a_table_wit…  1,000");
  });
});

describe("paintWith", () => {
  it("colors only where it is asked to", () => {
    expect(paintWith(false).good("x")).toBe("x");
    expect(paintWith(true).bad("x")).toBe("\u001b[31mx\u001b[39m");
  });
});

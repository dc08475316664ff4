import fc from "fast-check";
import { expect, test } from "vitest";
import { formatLsn, maxLsn, minLsn, parseLsn } from "../../src/postgres/lsn.js";

const lsn = fc.bigInt(0n, 0xffff_ffff_ffff_ffffn);

test("text and number are the same position", () => {
  fc.assert(fc.property(lsn, (position) => {
    expect(parseLsn(formatLsn(position))).toBe(position);
    expect(parseLsn(formatLsn(position).toLowerCase())).toBe(position);
  }));
  expect(parseLsn("16/B374D848")).toBe(0x16_b374d848n);
  expect(formatLsn(0x16_0000_0a00n)).toBe("16/A00");
  expect(formatLsn(0n)).toBe("0/0");
});

test("anything else is refused", () => {
  for (const text of ["", "16", "16/", "/16", "16/123456789", "123456789/0", "g/0", "0/0 ", "0x1/0", "-1/0"]) {
    expect(() => parseLsn(text)).toThrow(expect.objectContaining({ code: "INVALID_LSN" }));
  }
});

test("minimum and maximum", () => {
  fc.assert(fc.property(lsn, lsn, (a, b) => {
    expect([minLsn(a, b), maxLsn(a, b)].sort()).toEqual([a, b].sort());
    expect(minLsn(a, b) <= maxLsn(a, b)).toBe(true);
  }));
});

import { describe, expect, it } from "vitest";
import type { ColumnType, Value } from "../../src/admin/answer.js";
import { encodeValue } from "../../src/admin/encode-value.js";

describe("encodeValue", () => {
  // As `SELECT …send(value)` of a server writes them.
  it.each<[ColumnType, Value, string, string]>([
    ["int8", 5_000_000_000, "5000000000", "000000012a05f200"],
    ["int8", -1, "-1", "ffffffffffffffff"],
    ["int4", 77, "77", "0000004d"],
    ["bool", true, "t", "01"],
    ["bool", false, "f", "00"],
    ["text", "größe", "größe", "6772c3b6c39f65"],
    ["float8", 1.5, "1.5", "3ff8000000000000"],
    ["timestamptz", new Date("2000-01-01T00:00:01Z"), "2000-01-01 00:00:01.000+00", "00000000000f4240"],
    ["timestamptz", new Date("1999-12-31T23:59:59.999Z"), "1999-12-31 23:59:59.999+00", "fffffffffffffc18"],
  ])("%s %s", (type, value, text, binary) => {
    expect(encodeValue(value, type, "text")!.toString()).toBe(text);
    expect(encodeValue(value, type, "binary")!.toString("hex")).toBe(binary);
  });

  it("has no bytes for NULL, and no zero byte in text", () => {
    expect(encodeValue(undefined, "int8", "binary")).toBeUndefined();
    expect(encodeValue("a\0b", "text", "text")!.includes(0)).toBe(false);
  });
});

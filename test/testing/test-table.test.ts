import { describe, expect, test } from "vitest";
import { testTable } from "../../src/testing/test-table.js";

describe("a table by the texts that define its columns", () => {
  test.each([
    ["bigint primary key", { type: "int8", key: true, notNull: true }],
    ["BIGSERIAL PRIMARY KEY NOT NULL", { type: "int8", key: true, notNull: true }],
    ["integer not null", { type: "int4", notNull: true }],
    ["varchar(20)", { type: "varchar", large: true }],
    ["character varying (20) not null", { type: "varchar", notNull: true, large: true }],
    ["numeric(9, -2)", { type: "numeric" }],
    ["timestamp(3) with time zone", { type: "timestamptz" }],
    ["double  precision", { type: "float8" }],
    ["int[]", { type: "_int4" }],
    ['"Mood"', { type: "Mood" }],
  ])("%s", (definition, column) => {
    expect(testTable("t", { c: definition }).columns).toEqual([{ name: "c", ...column }]);
  });

  test.each(["", "bigint prim key", "primary key", "bigint null primary key", "int(", "text text"])("%s defines none", (definition) => {
    expect(() => testTable("t", { c: definition })).toThrow(expect.objectContaining({ code: "TEST_COLUMN_WRONG" }));
  });

  test("is known by its name, and whole rows name one another where it has no key", () => {
    expect(testTable("a", { id: "int" })).toMatchObject({ schema: "public", full: true });
    expect(testTable("a", { id: "int primary key" }, { schema: "s" })).toMatchObject({ schema: "s", full: false });
    expect(new Set(["a", "b"].flatMap((name) => ["s", "t"].map((schema) => testTable(name, { id: "int" }, { schema }).oid))).size).toBe(4);
  });
});

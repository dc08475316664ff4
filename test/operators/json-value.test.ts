import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonOf } from "../../src/operators/json-value.js";

type Nested = readonly (string | null | Nested)[];

/** As array_out (utils/adt/arrayfuncs.c) writes it, every element in quotes: those that need none may have them too. */
function arrayText(array: Nested): string {
  return `{${array.map((element) => (element === null ? "NULL" : typeof element === "string" ? `"${element.replaceAll(/["\\]/g, "\\$&")}"` : arrayText(element))).join(",")}}`;
}

const element = fc.option(fc.string({ unit: fc.constantFrom("a", '"', "\\", "{", "}", ",", " ", "\n", "é", "😀", "NULL") }), { nil: null });

test("arrays of texts, whatever is in them", () => {
  const { nested } = fc.letrec<{ nested: Nested }>((tie) => ({ nested: fc.array(fc.oneof({ depthSize: "small" }, element, tie("nested")), { maxLength: 4 }) }));
  fc.assert(fc.property(nested, fc.boolean(), (array, bounds) => {
    expect(JSON.parse(jsonOf("_text")(`${bounds ? "[0:3]=" : ""}${arrayText(array)}`))).toEqual(array);
  }));
});

test("numbers, where JSON has them", () => {
  expect(["1", "-0.50", "1e+20", "NaN", "-Infinity"].map(jsonOf("numeric"))).toEqual(["1", "-0.50", "1e+20", '"NaN"', '"-Infinity"']);
  expect(["007", ""].map(jsonOf("text"))).toEqual(['"007"', '""']);
});

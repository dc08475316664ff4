import { expect, it } from "vitest";
import { withEnvironment } from "../../src/cli/schema-with-environment.js";

const environment = { type: "string", pattern: "\\$\\{" };
const word = { type: "string", enum: ["a"] };

it.each([
  ["any text", { type: "string" }, { type: "string" }],
  ["a text that is not empty", { type: "string", minLength: 1 }, { type: "string", minLength: 1 }],
  ["anything", {}, {}],
  ["a number", { type: "integer", description: "n", default: 5 }, { description: "n", default: 5, anyOf: [{ type: "integer" }, environment] }],
  ["a long text", { type: "string", minLength: 16 }, { anyOf: [{ type: "string", minLength: 16 }, environment] }],
  ["one of some words", word, { anyOf: [word, environment] }],
  ["a list", { type: "array", items: word }, { type: "array", items: { anyOf: [word, environment] } }],
  ["a table by any keys", { type: "object", additionalProperties: word }, { type: "object", additionalProperties: { anyOf: [word, environment] } }],
  ["a table", { type: "object", properties: { a: word, b: {} } }, { type: "object", properties: { a: { anyOf: [word, environment] }, b: {} } }],
  ["one of several", { anyOf: [word, { type: "number" }] }, { anyOf: [word, { type: "number" }, environment] }],
  ["one of several, any text among them", { anyOf: [{ type: "number" }, { type: "string" }] }, { anyOf: [{ type: "number" }, { type: "string" }] }],
])("%s", (_, schema, expected) => {
  expect(withEnvironment(schema)).toEqual(expected);
});

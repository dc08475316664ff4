import { expect, test } from "vitest";
import { ReshardError } from "../../src/errors.js";
import { isRetryable, reasonOf, sqlState } from "../../src/postgres/server-errors.js";

function failure(code: string, message = "no"): Error {
  return Object.assign(new Error(message), { code });
}

test.each([
  ["deadlock", failure("40P01"), true],
  ["serialization failure", failure("40001"), true],
  ["administrator's shutdown", failure("57P01"), true],
  ["starting up", failure("57P03"), true],
  ["a slot in use", failure("55006"), true],
  ["connection exceptions", failure("08006"), true],
  ["a reset socket", failure("ECONNRESET"), true],
  ["a refused one", new AggregateError([failure("ECONNREFUSED"), failure("ECONNREFUSED")]), true],
  ["node-postgres's own words", new Error("Connection terminated unexpectedly"), true],
  ["and those of a client used after it", new Error("Client has encountered a connection error and is not queryable"), true],
  ["our own error of that kind", new ReshardError("X", "x", { kind: "retry" }), true],
  ["one that such an error caused", new ReshardError("X", "x", { cause: failure("57P01") }), true],
  ["a defect, whatever caused it", new ReshardError("X", "x", { kind: "defect", cause: failure("57P01") }), false],
  ["a unique violation", failure("23505"), false],
  ["a missing table", failure("42P01"), false],
  ["a full disk", failure("53100"), false],
  ["a host without address", failure("ENOTFOUND"), false],
  ["an error without code", new Error("something terminated"), false],
  ["what is no error", "57P01", false],
  ["nothing", undefined, false],
])("%s", (_, error, expected) => {
  expect(isRetryable(error)).toBe(expected);
});

test("a SQLSTATE is the server's only", () => {
  expect(sqlState(failure("23505"))).toBe("23505");
  expect(sqlState(failure("ECONNRESET"))).toBeUndefined();
  expect(sqlState(failure("EPIPE"))).toBeUndefined();
  expect(sqlState(null)).toBeUndefined();
});

test("the reason is what was said, or the code", () => {
  expect(reasonOf(failure("x", "said"))).toBe("said");
  expect(reasonOf(failure("ECONNREFUSED", ""))).toBe("ECONNREFUSED");
  expect(reasonOf(new AggregateError([failure("ECONNREFUSED", "first")]))).toBe("first");
  expect(reasonOf("words")).toBe("words");
});

import { describe, expect, test } from "vitest";
import { contested } from "../../src/sinks/ownership.js";

describe("a change to a row that is on the shard as another source shard's", () => {
  test.each([
    [{ here: true, elsewhere: false }, "take", "take"],
    [{ here: false, elsewhere: true }, "leave", "leave"],
    [{ here: true, elsewhere: true }, "wait", "leave"],
    [{ here: false, elsewhere: false }, "take", "take"],
  ] as const)("%o: put %s, delete %s", (whereabouts, put, removal) => {
    expect(contested("put", whereabouts)).toBe(put);
    expect(contested("delete", whereabouts)).toBe(removal);
  });
});

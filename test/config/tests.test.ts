import { describe, expect, test } from "vitest";
import { readTests } from "../../src/config/tests.js";
import type { PipelineTest } from "../../src/config/types.js";
import { filesOf, linesOf } from "./files.js";

const HEAD = `[[tests]]
name = "t"
table = "audit.users"
columns = { id = "bigint primary key", email = "text" }
`;

function read(text: string, beside?: string, environment: Readonly<Record<string, string>> = {}): readonly PipelineTest[] {
  return readTests("shop.toml", environment, filesOf({ "shop.toml": text, ...(beside === undefined ? {} : { "shop.test.toml": beside }) }));
}

describe("[[tests]]", () => {
  test("of rows, in the file and in the one beside it", () => {
    const [first, second] = read(`${HEAD}rows = [{ id = 1, email = "\${ME}" }]\nexpect = [{ shard = "every", id = 1 }]`, `${HEAD}rows = []\nexpect_error = "E"`, { ME: "a@b.c" });
    expect(first).toMatchObject({
      name: "t", table: { schema: "audit", name: "users" }, columns: { id: "bigint primary key", email: "text" },
      given: { kind: "rows", rows: [{ id: 1, email: "a@b.c" }] }, expected: { kind: "rows", rows: [{ shard: "every", row: { id: 1 } }] },
      place: { file: "shop.toml", line: 2, column: 8 },
    });
    expect(first!.placeOf("rows", 0, "email")).toEqual({ file: "shop.toml", line: 5, column: 27 });
    expect(second).toMatchObject({ expected: { kind: "error", code: "E" }, place: { file: "shop.test.toml" } });
  });

  test("of changes", () => {
    const [only] = read(`${HEAD}changes = [{ insert = { id = 1 } }, { update = { id = 2 }, old = { id = 1 } }, { delete = { id = 2 } }, { truncate = true }]\nexpect = [{ shard = 1, insert = { id = 1 } }, { truncate = true }]`);
    expect(only!.given).toEqual({ kind: "changes", changes: [{ kind: "insert", row: { id: 1 } }, { kind: "update", row: { id: 2 }, old: { id: 1 } }, { kind: "delete", row: { id: 2 } }, { kind: "truncate" }] });
    expect(only!.expected).toEqual({ kind: "changes", changes: [{ kind: "insert", row: { id: 1 }, shard: 1 }, { kind: "truncate", shard: undefined }] });
  });

  test.each([
    [`[tests]\nname = "x"`, ['shop.toml:1:1: "tests" is a single table, expected [[tests]], with two brackets']],
    [`${HEAD}expekt = []\nrows = []`, ['shop.toml:5:1: [[tests]] has no key "expekt", did you mean "expect"?']],
    [HEAD, ['shop.toml:1:1: the test has neither "rows" nor "changes", expected one of them', 'shop.toml:1:1: the test has neither "expect" nor "expect_sql" nor "expect_error", expected one of them']],
    [`${HEAD}rows = []\nchanges = []\nexpect = []`, ['shop.toml:6:1: the test has both "rows" and "changes", expected one of them']],
    [`${HEAD}rows = [1]\nexpect = []`, ['shop.toml:5:9: an element of "rows" is an integer, expected a row: its values by column, as { id = 1, email = "a@b.c" }']],
    [`${HEAD}changes = [{ inzert = {} }]\nexpect = []`, ['shop.toml:5:14: a change has no key "inzert", did you mean "insert"?']],
    [`${HEAD}changes = [{ insert = {}, delete = {} }]\nexpect = [{ delete = {}, old = {} }, {}]`, [
      'shop.toml:5:12: the change has "insert" and "delete", expected one of insert, update, delete and truncate',
      'shop.toml:6:26: "old" stands beside "delete", expected "old" beside "update" only',
      "shop.toml:6:38: the change says nothing, expected one of insert, update, delete and truncate",
    ]],
    [`${HEAD}rows = []\nexpect = [{ shard = "each" }, { shard = -1 }]`, [
      'shop.toml:6:21: "shard" is "each", expected a shard number, from 0, or "every"',
      'shop.toml:6:41: "shard" is -1, expected a shard number, from 0, or "every"',
    ]],
  ])("mistakes are told with their places: %s", (text, lines) => {
    expect(linesOf(() => read(text))).toEqual(lines);
  });

  test("a file of tests has nothing else", () => {
    expect(linesOf(() => read("", "[pipeline]\nfrom = \"a\""))).toEqual(['shop.test.toml:1:1: "pipeline" stands in a file of tests, expected [[tests]] only; the rest belongs into the pipeline file']);
  });
});

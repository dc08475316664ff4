import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { DATABASES, PIPELINE_HEAD } from "../config/files.js";
import { recordedTerminal } from "./terminal.js";

const folder = mkdtempSync(path.join(tmpdir(), "pg-reshard-tests-"));
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

writeFileSync(path.join(folder, "mask.ts"), `
  import { defineOperator, perRow } from "pg-reshard";
  import { z } from "zod";
  export default defineOperator({
    name: "mask",
    options: z.object({ column: z.string() }),
    create: ({ column }) => perRow({ writes: [column], drops: true }, (row) => {
      if (row[column] === "throw") throw new Error("I was told to");
      return row[column] === "drop" ? null : { ...row, [column]: row[column] === null ? null : "x" };
    }),
  });
`);

const PIPELINE = `${PIPELINE_HEAD}${DATABASES}
[[sharded_tables]]
database = "prod_2x"
name = "users"
column = "id"
data_type = "bigint"
mapping = [{ values = [1, 2], shard = 0 }, { values = [3], shard = 1 }]

[operators.mask]
type = "./mask.ts"
column = "email"
tables = ["users"]

[[stages]]
type = "copy"
operators = ["mask"]

[[stages]]
type = "replicate"
operators = ["mask"]
`;

const USERS = `table = "users"
columns = { id = "bigint primary key", email = "text", seen = "date", tall = "boolean", doc = "jsonb", price = "numeric(9,2)" }
`;

async function run(tests: string, ...words: string[]): Promise<{ code: number; out: string; err: string; objects: Record<string, unknown>[] }> {
  const file = path.join(folder, "shop.toml");
  writeFileSync(file, PIPELINE);
  writeFileSync(path.join(folder, "shop.test.toml"), tests);
  const terminal = recordedTerminal({ json: words.includes("--json"), columns: 100 });
  const code = await runCommandLine(["test", file, ...words], terminal);
  return { code, out: terminal.written.out.replaceAll(folder, ""), err: terminal.written.err.replaceAll(folder, ""), objects: words.includes("--json") ? terminal.objects() : [] };
}

describe("pg-reshard test", () => {
  test("rows and changes through operators and rules", async () => {
    const { code, out } = await run(`[[tests]]
name = "rows"
${USERS}rows = [{ id = 1, email = "a@b.c", seen = 2024-02-29, tall = true, doc = { a = [1] }, price = 1.5 }, { id = 2, email = "drop" }, { id = 3 }]
expect = [{ shard = 0, id = 1, email = "x", seen = "2024-02-29", tall = true, doc = '{"a":[1]}', price = "1.5" }, { shard = 1, id = 3 }]

[[tests]]
name = "changes"
${USERS}changes = [{ insert = { id = 1, email = "a@b.c" } }, { update = { email = "b" }, old = { id = 1 } }, { update = { id = 3, email = "c" }, old = { id = 1 } }, { update = { id = 3, email = "drop" } }, { delete = { id = 3 } }, { truncate = true }]
expect = [
  { shard = 0, insert = { id = 1, email = "x" } },
  { shard = 0, delete = { id = 1 } }, { shard = 0, insert = { id = 1, email = "x" } },
  { shard = 0, delete = { id = 1 } }, { shard = 1, insert = { id = 3, email = "x" } },
  { shard = 1, delete = { id = 3 } },
  { shard = 1, delete = { id = 3 } },
  { shard = "every", truncate = true },
]

[[tests]]
name = "a table that no rule names is everywhere, and no operator's"
table = "countries"
columns = { code = "char(2) primary key", name = "text not null" }
changes = [{ insert = { code = "de", name = "drop" } }, { update = { name = "D" }, old = { code = "de" } }]
expect = [{ shard = "every", insert = { code = "de", name = "drop" } }, { shard = "every", update = { code = "de", name = "D" } }]

[[tests]]
name = "errors"
${USERS}rows = [{ id = 4 }]
expect_error = "SHARDING_KEY_UNCOVERED"

[[tests]]
name = "exceptions"
${USERS}rows = [{ id = 1, email = "throw" }]
expect_error = "OPERATOR_FAILED"

[[tests]]
name = "rows as SQL"
table = "countries"
columns = { code = "char(2) primary key", name = "text not null" }
rows = [{ code = "de", name = "it's" }, { code = "fr", name = "F" }]
expect_sql = [
  """INSERT INTO "public"."countries" ("code", "name") VALUES ('de', 'it''s');""",
  """INSERT INTO "public"."countries" ("code", "name") VALUES ('fr', 'F');""",
]

[[tests]]
name = "changes as SQL"
${USERS}changes = [{ delete = { id = 1 } }]
expect_sql = ["""DELETE FROM ONLY "public"."users" WHERE "id" = 1;"""]
`);
    expect(out).toBe("✓ rows\n✓ changes\n✓ a table that no rule names is everywhere, and no operator's\n✓ errors\n✓ exceptions\n✓ rows as SQL\n✓ changes as SQL\n\n7 tests passed.\n");
    expect(code).toBe(0);
  });

  const FAILING = `[[tests]]
name = "differs"
${USERS}rows = [{ id = 1, email = "a" }, { id = 3, tall = false }]
expect = [{ shard = 1, id = 1, email = "x" }, { shard = 1, id = 3, tall = false }]

[[tests]]
name = "throws"
${USERS}rows = [{ id = 1, email = "throw" }]
expect = []

[[tests]]
name = "does not throw"
${USERS}rows = [{ id = 1 }]
expect_error = "OPERATOR_FAILED"

[[tests]]
name = "other statements"
${USERS}changes = [{ delete = { id = 1 } }]
expect_sql = ["DELETE FROM users;"]
`;

  test("failures are shown as a difference", async () => {
    const { code, out } = await run(FAILING);
    expect(out).toBe(`✗ differs
  /shop.test.toml:2:8
  - expected, + came
  - { shard = 1, id = 1, email = "x" }
  + { shard = 0, id = 1, email = "x" }
    { shard = 1, id = 3, tall = false }
✗ throws
  /shop.test.toml:9:8
  error OPERATOR_FAILED: Operator "mask": It threw for the row of users with id 1: I was told to
    remedy: Nothing was lost: correct the operator and run the pipeline again.
✗ does not throw
  /shop.test.toml:16:8
  expected an error: OPERATOR_FAILED
  it did not come, but
    { shard = 0, id = 1 }
✗ other statements
  /shop.test.toml:23:8
  - expected, + came
  - DELETE FROM users;
  + DELETE FROM ONLY "public"."users" WHERE "id" = 1;

4 of 4 tests failed.
`);
    expect(code).toBe(1);
  });

  test("as JSON", async () => {
    const { code, objects } = await run(FAILING, "--json");
    expect(code).toBe(1);
    expect(objects.at(-1)).toMatchObject({ type: "result", command: "test", ok: false, tests: [
      { name: "differs", ok: false, place: { line: 2 }, difference: [{ sign: "-" }, { sign: "+", text: '{ shard = 0, id = 1, email = "x" }' }, { sign: " " }] },
      { name: "throws", ok: false, error: { code: "OPERATOR_FAILED" } },
      { name: "does not throw", ok: false },
      { name: "other statements", ok: false, difference: [{ sign: "-" }, { sign: "+" }] },
    ] });
  });

  test("mistakes are told with their places", async () => {
    const { code, err } = await run(`[[tests]]
name = "names what is not there"
${USERS}rows = [{ id = "one", emial = "a" }]
expect = []
`);
    expect(err).toContain('shop.test.toml:5:16: "id" is no value of type int8');
    expect(err).toContain('shop.test.toml:5:31: the table users has no column "emial" here, did you mean "email"?');
    expect(code).toBe(78);
    expect((await run(`[[tests]]\nname = "t"\ntable = "users"\ncolumns = { id = "bigint prim key" }\nrows = []\nexpect = []`)).err).toContain('shop.test.toml:4:18: "bigint prim key" defines no column');
    expect((await run(`[[tests]]\nname = "t"\n${USERS}rows = []\nexpect = [{ shard = 2 }, { ide = 1 }]`)).err).toMatch(/6:21: there is no shard 2[^]*6:34: the table users has no column "ide" here, did you mean "id"\?/u);
    expect((await run("")).err).toContain("NO_TESTS");
  });
});

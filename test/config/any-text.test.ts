import fc from "fast-check";
import { stringify } from "smol-toml";
import { expect, test } from "vitest";
import { ConfigurationError } from "../../src/config/configuration-error.js";
import * as grammar from "../../src/config/grammar.js";
import { DATABASES, loadFiles, loadText, PIPELINE_HEAD } from "./files.js";

/** Loads, or throws ConfigurationError with places inside the text; anything else fails the test. */
function loadsOrExplains(load: () => unknown, text: string): boolean {
  try {
    load();
    return true;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    expect(error.problems.length).toBeGreaterThan(0);
    const lines = text.split("\n");
    for (const problem of error.problems) {
      if (problem.line === 0) continue;
      expect(problem.line).toBeLessThanOrEqual(lines.length);
      expect(problem.column).toBeGreaterThan(0);
      expect(problem.column).toBeLessThanOrEqual((lines[problem.line - 1] ?? "").length + 1);
    }
    return false;
  }
}

const VALID = `${PIPELINE_HEAD}${DATABASES}
[[users]]
name = "migrator"
databases = ["prod", "prod_2x"]
password = "\${PASSWORD:-x}"
schema_admin = true

[[sharded_tables]]
database = "prod_2x"
name = "users"
column = "id"
mapping = [{ values = [1, 2], shard = 0 }, { start = 10, end = 20, shard = 1 }, { shard = 0 }]

[[sharded_schemas]]
database = "prod_2x"
name = "a"
shard = 1

[[stages]]
type = "replicate"
until = "stopped"
operators = ["mails"]

[[stages]]
type = "flow"
source = "users"
operators = ["mails"]
sink = "file"

[operators.mails]
type = "mask"
columns = { email = "hash", phone = ["digits"] }

[sources.users]
type = "table"
database = "prod"
table = "users"

[sinks.file]
type = "ndjson"
file = "\${FILE:-users.ndjson}"
`;

test("any text at all", () => {
  fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.string({ maxLength: 200 })), (text) => void loadsOrExplains(() => loadText(text), text)), { numRuns: 500 });
});

test("a valid text with pieces taken out, put in and exchanged", () => {
  expect(loadsOrExplains(() => loadText(VALID), VALID)).toBe(true);
  const tokens = ["[", "]", "[[", '"', "'''", "{", "}", "=", ".", "\n", "#", "1", "-1", "1.5", "true", "${", "${X}", "1979-05-27", "\0", "name", "shard", "[pipeline]", "[[databases]]"];
  const edit = fc.record({ at: fc.nat(VALID.length), cut: fc.nat(40), put: fc.constantFrom(...tokens, "") });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const text = edits.reduce((before, { at, cut, put }) => before.slice(0, at) + put + before.slice(at + cut), VALID);
      loadsOrExplains(() => loadText(text), text);
    }),
    { numRuns: 1500 },
  );
});

test("known sections and keys with any values", () => {
  const words = ["prod", "prod_2x", "a", "primary", "list", "range", "bigint", "uuid", "copy", "flow", "command", "${X}", "${X:-1}", "", "0197a9b4-0000-7000-8000-000000000000"];
  const leaf = fc.oneof(fc.constantFrom(...words), fc.string(), fc.integer({ min: -1, max: 3 }), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.boolean(), fc.constant(1.5), fc.constant(new Date(0)));
  const value: fc.Arbitrary<unknown> = fc.oneof({ weight: 5, arbitrary: leaf }, fc.array(leaf, { maxLength: 3 }), fc.array(fc.dictionary(fc.constantFrom("values", "start", "end", "shard", "__proto__"), fc.oneof(leaf, fc.array(leaf, { maxLength: 3 })), { noNullPrototype: false }), { maxLength: 3 }));
  const tableOf = (keys: readonly string[]) => fc.dictionary(fc.constantFrom(...keys, "other", "__proto__"), value, { noNullPrototype: false });
  const section = (keys: readonly string[]) => fc.oneof({ weight: 6, arbitrary: fc.array(tableOf(keys), { maxLength: 4 }) }, tableOf(keys), value);
  const sections = {
    pipeline: fc.oneof(tableOf(grammar.PIPELINE.keys.filter((key) => key !== "config" && key !== "users")), value),
    stages: section(["type", "phase", "until", "operators", "source", "sink", "run", "timeout"]),
    operators: fc.dictionary(fc.constantFrom("a", "prod"), fc.oneof(tableOf(["type", "tables", "columns"]), value)),
    sources: fc.dictionary(fc.constantFrom("a", "prod"), fc.oneof(tableOf(["type", "database", "table"]), value)),
    sinks: fc.dictionary(fc.constantFrom("a", "prod"), fc.oneof(tableOf(["type", "database", "file"]), value)),
    databases: section(grammar.DATABASES.keys),
    users: section(grammar.USERS.keys),
    sharded_tables: section(grammar.SHARDED_TABLES.keys),
    sharded_mappings: section(grammar.SHARDED_MAPPINGS.keys),
    sharded_schemas: section(grammar.SHARDED_SCHEMAS.keys),
    omnisharded_tables: section(grammar.OMNISHARDED_TABLES.keys),
    general: section(grammar.GENERAL.keys),
    replication: section(grammar.REPLICATION.keys),
  };
  fc.assert(
    fc.property(fc.record(sections, { requiredKeys: [] }), (document) => {
      const text = stringify(document);
      loadsOrExplains(() => loadText(text), text);
      loadsOrExplains(() => loadFiles({ "pgdog.toml": text, "users.toml": "" }), text);
    }),
    { numRuns: 400 },
  );
});

test("ranges are refused exactly where two of them share a value", () => {
  const bound = fc.integer({ min: 0, max: 12 });
  fc.assert(
    fc.property(fc.array(fc.record({ start: fc.option(bound), length: fc.option(fc.integer({ min: 1, max: 6 })) }), { minLength: 1, maxLength: 5 }), (drawn) => {
      const ranges = drawn.map(({ start, length }) => ({ start: start ?? undefined, end: length === null ? (start === null ? 5 : undefined) : (start ?? 0) + length }));
      const holds = (range: (typeof ranges)[number], value: number): boolean => (range.start ?? -Infinity) <= value && value < (range.end ?? Infinity);
      let shared = false;
      for (let value = -1; value <= 20; value++) shared ||= ranges.filter((range) => holds(range, value)).length > 1;
      const rules = ranges.map(({ start, end }) => `{ ${start === undefined ? "" : `start = ${start}, `}${end === undefined ? "" : `end = ${end}, `}shard = 0 }`);
      const text = `${PIPELINE_HEAD}${DATABASES}[[sharded_tables]]\ndatabase = "prod_2x"\ncolumn = "id"\nmapping = [${rules.join(", ")}]\n`;
      expect(loadsOrExplains(() => loadText(text), text)).toBe(!shared);
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["dotted keys", (depth: number) => `general.${"a.".repeat(depth)}b = 1\n`],
  ["headers", (depth: number) => `[${"databases.".repeat(depth)}b]\n`],
  ["lists", (depth: number) => `stages = ${"[".repeat(depth)}${"]".repeat(depth)}\n`],
  ["inline tables", (depth: number) => `general = ${"{a = ".repeat(depth)}1${"}".repeat(depth)}\n`],
])("%s nested very deeply", (_, nest) => {
  for (const depth of [40, 900, 20_000]) {
    const text = nest(depth);
    expect(loadsOrExplains(() => loadText(text), text)).toBe(false);
  }
});

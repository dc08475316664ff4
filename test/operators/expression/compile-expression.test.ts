import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileExpression, expressionColumns, FALSE, TRUE, UNKNOWN } from "../../../src/operators/expression/compile-expression.js";
import { likeMatcher } from "../../../src/operators/expression/like-pattern.js";
import type { Value } from "../../../src/postgres/value-codec.js";
import type { TableBatch } from "../../../src/table-batch.js";
import { startTestCluster } from "../../support/cluster.js";
import { rowsOf, type RowValues, tableBatch } from "../../support/table-rows.js";
import { conditions, EVERYTHING, likeOracle, type RowByName } from "./expressions.js";

const TRUTHS = { [FALSE]: false, [TRUE]: true, [UNKNOWN]: null };
const rows = rowsOf(EVERYTHING, { maxLength: 12 });

function truthsOf(text: string, batch: TableBatch): (boolean | null)[] {
  const condition = compileExpression(text, EVERYTHING)(batch);
  return Array.from({ length: batch.count }, (_, row) => TRUTHS[condition(row)]);
}

function named(row: RowValues): RowByName {
  return Object.fromEntries(EVERYTHING.columns.map(({ name }, column) => [name, row[column] as Value]));
}

describe("conditions", () => {
  test("are what a naive interpreter makes of them, in binary, in text, and of values that operators made", () => {
    fc.assert(fc.property(conditions, rows, ({ text, truth }, values) => {
      const expected = values.map((row) => truth(named(row)));
      const binary = tableBatch(EVERYTHING, values);
      expect(truthsOf(text, binary)).toEqual(expected);
      expect(truthsOf(text, tableBatch(EVERYTHING, values, { format: "text" }))).toEqual(expected);
      const made = expressionColumns(text).reduce((batch, name) => batch.with(name, (row) => binary.column(name).value(row)), binary);
      expect(truthsOf(text, made)).toEqual(expected);
    }), { numRuns: 250 });
  });

  test("are what PostgreSQL makes of them", async () => {
    const cluster = await startTestCluster();
    const client = await cluster.connect();
    const columns = EVERYTHING.columns.map(({ name, type }) => `${name} ${type === "bpchar" ? "char(4)" : type}`);
    await client.query(`SET TimeZone = 'UTC'; CREATE TABLE everything (${columns.join(", ")})`);
    const values = fc.sample(rowsOf(EVERYTHING, { minLength: 30, maxLength: 40 }), 1)[0]!;
    const text = tableBatch(EVERYTHING, values, { format: "text" });
    const literals = values.map((_, row) => EVERYTHING.columns.map(({ name }) => text.column(name).bytes(row)?.toString() ?? null));
    await client.query(`INSERT INTO everything SELECT r.* FROM jsonb_array_elements($1::jsonb) given (row), jsonb_populate_record(NULL::everything, given.row) r`, [JSON.stringify(literals.map((row) => Object.fromEntries(EVERYTHING.columns.map(({ name }, column) => [name, row[column]]))))]);
    const samples = fc.sample(conditions, 300);
    for (let first = 0; first < samples.length; first += 50) {
      const some = samples.slice(first, first + 50);
      const answer = await client.query<Record<string, boolean | null>>({ text: `SELECT ${some.map((sample, index) => `(${sample.text})::bool AS s${index}`).join(", ")} FROM everything ORDER BY id` });
      const order = values.map((row, index) => [row[0] as number, index] as const).sort(([a], [b]) => a - b);
      const batch = tableBatch(EVERYTHING, values);
      some.forEach((sample, index) => {
        const ours = truthsOf(sample.text, batch);
        expect(order.map(([, row]) => ours[row]), sample.text).toEqual(answer.rows.map((row) => row[`s${index}`]));
      });
    }
  });

  test.each([
    ["", "a column or a value was expected, not the end", 0],
    ["int4_a >", "a column or a value was expected, not the end", 8],
    ["int4_a = 1 int4_b", "AND, OR or the end was expected, not int4_b", 11],
    ["int4_a = 'x", "a string without its closing quote", 9],
    ['"" = 1', "a name in quotes that is empty or not closed", 0],
    ["int4_a ~ 1", '"~" means nothing here', 7],
    ["int4_a = 1x", "a number ends in letters", 10],
    ["lower(text_a) = 'a'", "lower looks like a function, and there are none here", 0],
    ["int4_c = 1", "everything has no column int4_c: did you mean int4_a?", 0],
    ['"Int4_a" = 1', "everything has no column Int4_a: did you mean int4_a?", 0],
    ["text_a = 5", "a column of type text is compared with a string: '5'", 9],
    ["int4_a = 'five'", "'five' is no value of type int4", 9],
    ["int4_a = '1.5'", "'1.5' is no value of type int4", 9],
    ["int2_a = '40000'", "'40000' is no value of type int2", 9],
    ["int4_a = true", "a column of type int4 is compared with a number, such as 18", 9],
    ["date_a > 'yesterday'", "a column of type date is compared with a string such as '2024-12-31'", 9],
    ["date_a > timestamp_a", "columns of type date and timestamp cannot be compared", 0],
    ["bool_a = 1", "a boolean is compared with true or false", 9],
    ["NOT text_a", "text_a is text, no boolean: compare it with something", 4],
    ["1 AND true", "a condition was expected, such as age >= 18", 0],
    ["int4_a LIKE '1%'", "LIKE is for text, and int4_a is int4", 7],
    ["text_a LIKE text_b", "a pattern in quotes was expected, such as 'a%'", 12],
    ["text_a LIKE 'a\\'", "the pattern ends with the escape character: write \\\\ for a backslash", 12],
    ["text_a NOT = 'a'", "IN, BETWEEN, LIKE or ILIKE was expected, not =", 11],
    ["(".repeat(101) + "true" + ")".repeat(101), "more than 100 levels of parentheses and NOT", 101],
    ["int4_a = 1e5000", "an exponent beyond 1000", 9],
  ])("%s: %s", (text, reason, offset) => {
    expect(() => compileExpression(text, EVERYTHING)).toThrow(expect.objectContaining({ reason, offset }));
  });

  test("a mistake is shown in its line", () => {
    expect(() => compileExpression("int4_a = 1\n  AND int4_x = 2", EVERYTHING)).toThrow("everything has no column int4_x: did you mean int4_a?\n    AND int4_x = 2\n        ^");
  });

  test("enumerated types know equality only", () => {
    const table = { schema: "public", name: "orders", columns: [{ name: "state", type: "enum", partOfKey: false }, { name: "at", type: "interval", partOfKey: false }] };
    const condition = compileExpression("state IN ('open', 'paid')", table)(tableBatch(table, [["open", null], ["sent", null], [null, null]]));
    expect([0, 1, 2].map(condition)).toEqual([TRUE, FALSE, UNKNOWN]);
    expect(() => compileExpression("state > 'open'", table)).toThrow("their order is the type's");
    expect(() => compileExpression("at = '1 day'", table)).toThrow("columns of type interval cannot be compared here");
  });
});

describe("LIKE", () => {
  test("matches what a regular expression does", () => {
    const alphabet = fc.array(fc.constantFrom("a", "b", "A", "é", "😀", "%", "\\", "\n"), { maxLength: 12 });
    const patterns = fc.array(fc.constantFrom("%", "_", "a", "b", "é", "😀", "\\%", "\\\\", "\\a"), { maxLength: 8 });
    fc.assert(fc.property(alphabet, patterns, fc.boolean(), (text, pattern, insensitive) => {
      const bytes = Buffer.from(`xx${text.join("")}yy`);
      expect(likeMatcher(pattern.join(""), insensitive)(bytes, 2, bytes.length - 4)).toBe(likeOracle(pattern.join(""), insensitive).test(text.join("")));
    }), { numRuns: 2000 });
  });

  test("never takes more steps than the text's length times the pattern's", () => {
    const bytes = Buffer.from("a".repeat(20_000));
    expect(likeMatcher(`${"%a".repeat(200)}b`, false)(bytes, 0, bytes.length)).toBe(false);
  });
});

import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { normalizeStatement } from "../../../src/gateway/planning/normalize-statement.js";
import { parseStatements } from "../../../src/gateway/planning/parse-statements.js";
import { loadParser } from "../../../src/schema/syntax-tree.js";

beforeAll(loadParser);

test.each([
  ["SELECT  a, 'x', E'\\n', $1 FROM t -- c\n WHERE b = -5;", "SELECT a, $2, $3, $1 FROM t WHERE b = -$4"],
  ["SELECT 1.5, .5, 1e-5, 0x1F, 1_000, b'01', X'ff', $$q$$, $t$a$b$t$", "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9"],
  ["SELECT * FROM t WHERE id IN (1,2 , 3) AND c = ANY (ARRAY[$1, $2])", "SELECT * FROM t WHERE id IN ($3, …) AND c = ANY (ARRAY[$1, …])"],
  ["INSERT INTO t VALUES (1,'a'),(2,'b'), (3, 'c')", "INSERT INTO t VALUES ($1, …), …"],
  ['/* pgdog_shard: 3 */ SELECT /* trace 7 */ a[1], t1.x, "Q 1" FROM t1', '/* pgdog_shard: … */ SELECT a[$1], t1.x, "Q 1" FROM t1'],
  ["UPDATE t2 SET a1 = 3", "UPDATE t2 SET a1 = $1"],
])("%s", (text, expected) => {
  expect(normalizeStatement(text)).toBe(expected);
});

test("texts that differ in constants, blanks and comments only are one statement, and it can be read", () => {
  const integer = fc.integer({ min: 0, max: 10 ** 9 }).map(String);
  const decimal = fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }).map((value) => value.toString().replace("e+", "e"));
  const string = fc.string().map((value) => `'${value.replaceAll("'", "''").replaceAll("\0", "")}'`);
  const dollars = fc.constantFrom("$$x;$$", "$a$ ' $$ $a$", "E'\\''", "B'01'");
  const constant = fc.oneof(integer, decimal, string, dollars);
  const blank = fc.constantFrom(" ", "\n", "  ", " /* c */ ", " -- c\n");
  const statement = fc.tuple(constant, constant, blank, blank, fc.array(constant, { minLength: 2, maxLength: 4 })).map(([a, b, left, right, list]) => `SELECT${left}${a},${right}x FROM t1${left}WHERE y = ${b} AND z IN (${list.join(",")})`);
  fc.assert(fc.property(statement, (text) => {
    const normalized = normalizeStatement(text);
    expect(normalized).toBe("SELECT $1, x FROM t1 WHERE y = $2 AND z IN ($3, …)".replace("$1, x", normalized.includes("$1,x") ? "$1,x" : "$1, x"));
    expect(parseStatements(normalized.replace(", …", ""))).toHaveProperty("statements");
  }));
});

import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { LeastRecentlyUsed } from "../../../src/gateway/planning/least-recently-used.js";
import { parseStatements } from "../../../src/gateway/planning/parse-statements.js";
import { loadParser } from "../../../src/schema/syntax-tree.js";

beforeAll(loadParser);

function textsOf(text: string): string[] {
  const parsed = parseStatements(text);
  if ("failure" in parsed) throw new Error(parsed.failure.message);
  return parsed.statements.map((statement) => statement.text);
}

function failureOf(text: string): unknown {
  const parsed = parseStatements(text);
  return "failure" in parsed ? parsed.failure : undefined;
}

test("a text is cut into its statements, each with the comments before it", () => {
  expect(textsOf("SELECT 'ä;'; /* größe; */ SELECT 2 ;; ")).toEqual(["SELECT 'ä;'", " /* größe; */ SELECT 2 "]);
  expect(textsOf(" ; -- nothing\n;")).toEqual([]);
  expect(textsOf("")).toEqual([]);
  expect(textsOf("BEGIN; INSERT INTO t VALUES ($$;$$); COMMIT")).toHaveLength(3);
});

test("ranges are bytes of UTF-8 in the whole text", () => {
  const text = "SELECT 'größe'; SELECT 'ü' -- end";
  const parsed = parseStatements(text);
  const bytes = Buffer.from(text);
  if (!("statements" in parsed)) throw new Error("not parsed");
  for (const { start, end, text: own } of parsed.statements) expect(bytes.toString("utf8", start, end)).toBe(own);
});

test("what is no SQL fails as PostgreSQL says it", () => {
  expect(failureOf("SELEC 1")).toEqual({ sqlState: "42601", message: 'syntax error at or near "SELEC"', position: 1 });
  expect(failureOf("SELECT 'ü', * FRO t")).toMatchObject({ sqlState: "42601", position: 15 });
  expect(failureOf("SELECT (")).toMatchObject({ sqlState: "42601", position: 9 });
  expect(failureOf("SELECT 'x\0y'")).toMatchObject({ sqlState: "22021" });
});

test("what is nested beyond measure fails, and the next text is read as ever", () => {
  for (const text of [`SELECT ${"(".repeat(30_000)}1`, `SELECT ${"- ".repeat(100_000)}x`, `SELECT ${"x+".repeat(100_000)}1`]) {
    expect(failureOf(text)).toMatchObject({ sqlState: "54001" });
    expect(textsOf("SELECT 1")).toEqual(["SELECT 1"]);
  }
});

test("the same text is the same trees", () => {
  expect(parseStatements("SELECT 42")).toBe(parseStatements("SELECT 42"));
});

test("any statements that are put together are taken apart again", () => {
  const statement = fc.constantFrom("SELECT 1", "SELECT ';'", 'SELECT "a;b"', "SELECT $x$;$x$", "INSERT INTO t VALUES (E'\\';')", "SELECT 'größe' /* ; */", "BEGIN");
  fc.assert(fc.property(fc.array(statement, { minLength: 1, maxLength: 6 }), (statements) => {
    expect(textsOf(statements.join(";"))).toEqual(statements);
  }));
});

test("a bounded map keeps what was asked for last", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 4 }), fc.boolean())), (steps) => {
    const map = new LeastRecentlyUsed<number, number>(10);
    /** The same, as a list from the oldest. */
    let model: { readonly key: number; readonly weight: number }[] = [];
    for (const [key, weight, asks] of steps) {
      const known = model.find((entry) => entry.key === key);
      if (asks) expect(map.get(key)).toBe(known?.weight);
      else map.set(key, weight, weight);
      if (asks && known === undefined) continue;
      model = [...model.filter((entry) => entry !== known), asks ? known! : { key, weight }];
      while (model.reduce((sum, entry) => sum + entry.weight, 0) > 10) model.shift();
      expect(map.size).toBe(model.length);
    }
    expect(map.values()).toEqual(model.map(({ weight }) => weight));
  }));
});

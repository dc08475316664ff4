import { readFileSync } from "node:fs";
import { ConfigurationError, type Problem, quoted } from "./configuration-error.js";
import { plain } from "./entries.js";
import type { Environment } from "./environment.js";
import type { Grammar } from "./grammar.js";
import type { Path } from "./position-index.js";
import { inOrder } from "./pipeline.js";
import { isAbsent, readDocument, type ReadFile } from "./read-document.js";
import { problemAt, readRow } from "./rows.js";
import { arrayOfTables } from "./sections.js";
import type { TomlDocument } from "./toml-document.js";
import { EXPECTED_CHANGE, EXPECTED_ROW, TEST_CHANGE, TESTS } from "./test-grammar.js";
import type { ExpectedChange, ExpectedRow, PipelineTest, TestChange, TestValues } from "./types.js";

const readWhole: ReadFile = (path) => readFileSync(path);

/** The file with tests beside a pipeline file: `shop.test.toml` beside `shop.toml`. */
export function testFileBeside(path: string): string {
  return path.replace(/(?:\.toml)?$/u, ".test.toml");
}

/** The pipeline file that tests in a file are of: itself, or the one beside it. */
export function pipelineFileOf(path: string): string {
  return path.replace(/\.test\.toml$/u, ".toml");
}

/**
 * The `[[tests]]` of a pipeline file, then those of the file beside it, which may have nothing else.
 *
 * @param path - of the pipeline file
 * @throws ConfigurationError with every mistake in them
 */
export function readTests(path: string, environment: Environment, readFile: ReadFile = readWhole): readonly PipelineTest[] {
  const problems: Problem[] = [];
  const beside = testFileBeside(path);
  const main = readDocument(path, { file: path, line: 0, column: 0 }, readFile, problems);
  const other = isAbsent(beside, readFile) ? undefined : readDocument(beside, { file: beside, line: 0, column: 0 }, readFile, problems);
  for (const section of Object.keys(other?.value ?? {})) {
    if (section !== "tests") problems.push(problemAt(other!.keyAt([section]), "UNKNOWN_SECTION", `${quoted(section)} stands in a file of tests`, "[[tests]] only; the rest belongs into the pipeline file"));
  }
  const tests = [main, other].flatMap((document) => (document === undefined ? [] : testsOf(document, environment, problems)));
  if (problems.length > 0) throw new ConfigurationError(inOrder(problems));
  return tests;
}

function testsOf(document: TomlDocument, environment: Environment, problems: Problem[]): PipelineTest[] {
  return arrayOfTables(document, "tests", environment, problems).flatMap((raw, index) => testOf(document, ["tests", index], raw, problems) ?? []);
}

function testOf(document: TomlDocument, path: Path, raw: unknown, problems: Problem[]): PipelineTest | undefined {
  const test = readRow(document, path, raw, TESTS, problems)?.value;
  if (test === undefined) return undefined;
  const before = problems.length;
  const one = (...keys: readonly (keyof typeof test)[]): void => {
    const [present, ...more] = keys.filter((key) => test[key] !== undefined);
    if (present === undefined) problems.push(problemAt(document.keyAt(path), "MISSING", `the test has neither ${keys.map(quoted).join(" nor ")}`, "one of them"));
    for (const key of more) problems.push(problemAt(document.keyAt([...path, key]), "CONFLICT", `the test has both ${quoted(present!)} and ${quoted(key)}`, "one of them"));
  };
  one("rows", "changes");
  one("expect", "expect_sql", "expect_error");
  const read = <Value>(key: string, elements: readonly unknown[], grammar: Grammar<Value>): Value[] => elements.flatMap((element, index) => readRow(document, [...path, key, index], element, grammar, problems)?.value ?? []);

  const changes = test.changes === undefined ? undefined : read("changes", test.changes, TEST_CHANGE).map((change, index) => changeOf(document, [...path, "changes", index], change, problems));
  let expected: PipelineTest["expected"] = { kind: "error", code: test.expect_error ?? "" };
  if (test.expect_sql !== undefined) expected = { kind: "sql", statements: test.expect_sql };
  if (test.expect !== undefined && test.changes !== undefined) {
    const rows = read("expect", test.expect, EXPECTED_CHANGE);
    expected = { kind: "changes", changes: rows.flatMap((row, index): ExpectedChange[] => {
      const change = changeOf(document, [...path, "expect", index], row, problems);
      return change === undefined ? [] : [{ ...change, shard: row.shard }];
    }) };
  } else if (test.expect !== undefined) {
    expected = { kind: "rows", rows: read("expect", test.expect, EXPECTED_ROW).map(({ shard, ...row }): ExpectedRow => ({ shard, row: plainRow(row) })) };
  }
  if (problems.length > before) return undefined;
  const [schema, name] = test.table.includes(".") ? [test.table.slice(0, test.table.indexOf(".")), test.table.slice(test.table.indexOf(".") + 1)] : ["public", test.table];
  return {
    name: test.name,
    table: { schema, name },
    columns: test.columns,
    given: changes === undefined ? { kind: "rows", rows: (test.rows ?? []).map(plainRow) } : { kind: "changes", changes: changes.flatMap((change) => change ?? []) },
    expected,
    place: document.valueAt([...path, "name"]),
    placeOf: (...keys) => document.valueAt([...path, ...keys]),
  };
}

const CHANGE_EXPECTED = "one of insert, update, delete and truncate";

interface ChangeRow {
  readonly insert?: TestValues | undefined;
  readonly update?: TestValues | undefined;
  readonly old?: TestValues | undefined;
  readonly delete?: TestValues | undefined;
  readonly truncate?: true | undefined;
}

function changeOf(document: TomlDocument, path: Path, row: ChangeRow, problems: Problem[]): TestChange | undefined {
  const kinds = (["insert", "update", "delete", "truncate"] as const).filter((kind) => row[kind] !== undefined);
  if (kinds.length !== 1) {
    problems.push(problemAt(document.valueAt(path), kinds.length === 0 ? "MISSING" : "CONFLICT", kinds.length === 0 ? "the change says nothing" : `the change has ${kinds.map(quoted).join(" and ")}`, CHANGE_EXPECTED));
    return undefined;
  }
  if (row.old !== undefined && row.update === undefined) {
    problems.push(problemAt(document.keyAt([...path, "old"]), "CONFLICT", `"old" stands beside ${quoted(kinds[0]!)}`, '"old" beside "update" only'));
    return undefined;
  }
  if (row.update !== undefined) return { kind: "update", row: plainRow(row.update), old: row.old && plainRow(row.old) };
  if (row.insert !== undefined) return { kind: "insert", row: plainRow(row.insert) };
  return row.delete === undefined ? { kind: "truncate" } : { kind: "delete", row: plainRow(row.delete) };
}

function plainRow(row: TestValues): TestValues {
  return plain(row) as TestValues;
}

import type { z } from "zod";
import { quoted, type Place, type Problem, type ProblemCode } from "./configuration-error.js";
import { didYouMean } from "./did-you-mean.js";
import { Substituted } from "./environment.js";
import type { Grammar } from "./grammar.js";
import type { Path } from "./position-index.js";
import { isTable, type TomlDocument, type TomlTable } from "./toml-document.js";

/** A table of a file that keeps to its grammar, and where it stands. */
export interface Row<Value> {
  readonly value: Value;
  readonly document: TomlDocument;
  readonly path: Path;
}

/** All tables of one kind. The broken ones have been reported; their names still count as defined. */
export interface Rows<Value> {
  readonly rows: readonly Row<Value>[];
  readonly broken: readonly unknown[];
}

/** Where a row's table begins, or one of its values stands. */
export function placeOf(row: Row<unknown>, ...keys: Path): Place {
  return row.document.valueAt([...row.path, ...keys]);
}

export function problemAt(
  place: Place,
  code: ProblemCode,
  message: string,
  expected?: string,
  suggestion?: string,
): Problem {
  return {
    file: place.file,
    line: place.line,
    column: place.column,
    code,
    message,
    ...(expected === undefined ? {} : { expected }),
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

/** The string under `key` of a table that may be anything. */
export function textIn(table: unknown, key: string): string | undefined {
  const value = isTable(table) ? table[key] : undefined;
  if (value instanceof Substituted) return value.failed ? undefined : value.text;
  return typeof value === "string" ? value : undefined;
}

/** One table (environment already substituted) checked against its grammar, or undefined with its problems reported. */
export function readRow<Value>(
  document: TomlDocument,
  path: Path,
  raw: unknown,
  grammar: Grammar<Value>,
  problems: Problem[],
): Row<Value> | undefined {
  if (!isTable(raw)) {
    problems.push(problemAt(document.valueAt(path), "WRONG_TYPE", `${grammar.label} is ${typeText(raw)}`, "a table"));
    return undefined;
  }
  const ignored = new Set(grammar.ignored);
  const table = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(raw)) if (!ignored.has(key)) table[key] = value;
  const result = grammar.schema.safeParse(table);
  if (result.success) return { value: result.data, document, path };
  for (const issue of result.error.issues) problems.push(...problemsOfIssue(document, path, table, grammar, issue));
  return undefined;
}

/** All elements of an array of tables. */
export function readRows<Value>(
  document: TomlDocument,
  path: Path,
  raw: readonly unknown[],
  grammar: Grammar<Value>,
  problems: Problem[],
): Rows<Value> {
  const rows: Row<Value>[] = [];
  const broken: unknown[] = [];
  for (const [index, element] of raw.entries()) {
    const row = readRow(document, [...path, index], element, grammar, problems);
    if (row === undefined) broken.push(element);
    else rows.push(row);
  }
  return { rows, broken };
}

/** For a key of a table that nobody knows. */
export function unknownKey(
  place: Place,
  label: string,
  key: string,
  known: readonly string[],
  ignored: readonly string[],
): Problem {
  const suggestion = didYouMean(key, [...known, ...ignored]);
  const expected = suggestion === undefined ? `one of ${known.join(", ")}` : undefined;
  return problemAt(place, "UNKNOWN_KEY", `${label} has no key ${quoted(key)}`, expected, suggestion);
}

function problemsOfIssue(
  document: TomlDocument,
  path: Path,
  table: TomlTable,
  grammar: Grammar<unknown>,
  issue: z.core.$ZodIssue,
): Problem[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey(document.keyAt([...path, key]), grammar.label, key, grammar.keys, grammar.ignored));
  }
  const inside = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
  const key = String(inside[0]);
  const value = valueIn(table, inside);
  if (value === undefined) {
    return [problemAt(document.keyAt(path), "MISSING", `${grammar.label} lacks ${quoted(key)}`, issue.message)];
  }
  // Already reported as a variable that is not set.
  if (value instanceof Substituted && value.failed) return [];
  const subject = inside.length === 1 ? quoted(key) : `an element of ${quoted(key)}`;
  const place = document.valueAt([...path, ...inside]);
  const wrongType = issue.code === "invalid_type" && !(typeof value === "number" && issue.expected === "int");
  const found = wrongType || SECRET_KEYS.has(key) ? typeText(value) : valueText(value);
  const suggestion =
    issue.code === "invalid_value" && typeof value === "string" ? didYouMean(value, issue.values.map(String)) : undefined;
  const code = wrongType || typeof value !== "string" && issue.code === "invalid_value" ? "WRONG_TYPE" : "WRONG_VALUE";
  return [problemAt(place, code, `${subject} is ${found}`, issue.message, suggestion)];
}

/** Their values are never shown, not even numbers written by mistake. */
const SECRET_KEYS: ReadonlySet<string> = new Set(["password", "passwords", "server_password", "pgbouncer_password"]);

function valueIn(table: TomlTable, path: Path): unknown {
  let value: unknown = table;
  for (const step of path) {
    if (Array.isArray(value)) value = value[Number(step)];
    else value = isTable(value) ? value[step] : undefined;
  }
  return value;
}

function valueText(value: unknown): string {
  if (typeof value === "string") return value === "" ? "empty" : quoted(value);
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  return typeText(value);
}

/** What a value is, without showing it. */
export function typeText(value: unknown): string {
  if (value instanceof Substituted) return "a value from the environment";
  if (typeof value === "string") return "a string";
  if (typeof value === "bigint") return "an integer";
  if (typeof value === "number") return Number.isInteger(value) ? "an integer" : "a float";
  if (typeof value === "boolean") return "a boolean";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return value instanceof Date ? "a date" : "a table";
}

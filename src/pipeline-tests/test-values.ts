import type { Place, Problem } from "../config/configuration-error.js";
import { didYouMean } from "../config/did-you-mean.js";
import type { TestValues } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { type TestRow, textOf } from "../testing/test-rows.js";
import { type TestColumn, type TestTable, typeOf } from "../testing/test-table.js";

/** Where a row's values stand in the file. */
export type PlaceOfColumn = (column: string) => Place;

/** A row's values as PostgreSQL prints them; columns that are not named are NULL. What is wrong is added to `problems`. */
export function testRowOf(table: TestTable, values: TestValues, placeOf: PlaceOfColumn, problems: Problem[]): TestRow {
  const texts = textsOf(table, values, placeOf, problems);
  return table.columns.map(({ name }) => texts.get(name) ?? null);
}

/** The same of the columns that are named, and of no others. */
export function textsOf(table: TestTable, values: TestValues, placeOf: PlaceOfColumn, problems: Problem[]): ReadonlyMap<string, string | null> {
  const texts = new Map<string, string | null>();
  const names = table.columns.map(({ name }) => name);
  for (const [name, value] of Object.entries(values)) {
    const column = table.columns.find((candidate) => candidate.name === name);
    if (column === undefined) {
      const suggestion = didYouMean(name, names);
      problems.push({ ...placeOf(name), code: "UNKNOWN_KEY", message: `the table ${table.name} has no column ${JSON.stringify(name)} here`, ...(suggestion === undefined ? { expected: `one of ${names.join(", ")}` } : { suggestion }) });
      continue;
    }
    const text = textIn(column, value);
    if (text === undefined) problems.push({ ...placeOf(name), code: "WRONG_VALUE", message: `${JSON.stringify(name)} is no value of type ${typeOf(column)}`, expected: "a string, a number, a boolean or a date that PostgreSQL reads as one; columns that are left out are NULL" });
    else texts.set(name, text);
  }
  return texts;
}

/** Undefined: the value is none of the column's type. */
function textIn(column: TestColumn, value: unknown): string | undefined {
  const text = plainText(column, value);
  if (text === undefined) return undefined;
  try {
    return textOf(column, Buffer.from(text), "text");
  } catch (error) {
    // What codecs say, and what BigInt says of "x".
    if (error instanceof ReshardError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function plainText(column: TestColumn, value: unknown): string | undefined {
  const isJson = ["json", "jsonb"].includes(typeOf(column));
  if (value instanceof Date) return value.toISOString().replace("T", " ").replace(/\.000/u, "").replace(/Z$/u, "+00");
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return isJson ? String(value) : value ? "t" : "f";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (isJson && typeof value === "object" && value !== null) return JSON.stringify(value);
  return undefined;
}

import { isSecretKey, quoted, type Place, type Problem, type ProblemCode } from "../config/configuration-error.js";
import { didYouMean } from "../config/did-you-mean.js";
import type { FlowEnd, OperatorEntry } from "../config/types.js";
import type { OptionsSchema } from "../operators/table-operator.js";

/** An entry of a section. */
export interface EntryKind {
  readonly section: "operators" | "sources" | "sinks";
  readonly code: ProblemCode;
}

export type CheckedOptions = { readonly options: unknown } | { readonly problems: readonly Problem[] };

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** As zod has them. */
  readonly code?: unknown;
  readonly keys?: unknown;
  readonly errors?: unknown;
}

/** An entry's options as its type reads them, or all that is wrong with them, each with its place in the file. */
export function checkedEntryOptions(kind: EntryKind, entry: OperatorEntry | FlowEnd, schema: OptionsSchema<unknown>): CheckedOptions {
  const asWritten = schema.safeParse(entry.options);
  if (asWritten.success) return { options: asWritten.data };
  // The environment has only texts: they may stand for numbers and booleans.
  const read = entry.fromEnvironment.length === 0 ? asWritten : schema.safeParse(withReadTexts(entry));
  if (read.success) return { options: read.data };
  const known = "shape" in schema && typeof schema.shape === "object" && schema.shape !== null ? Object.keys(schema.shape) : undefined;
  return { problems: read.error.issues.flatMap((issue) => problemsOf(kind, entry, issue, known)) };
}

function problemsOf({ section, code }: EntryKind, entry: OperatorEntry | FlowEnd, issue: Issue, known: readonly string[] | undefined): readonly Problem[] {
  const path = issue.path.map(String);
  const within = path.length === 0 ? `[${section}.${entry.name}]` : quoted(path.join("."));
  if (issue.code === "unrecognized_keys" && Array.isArray(issue.keys)) {
    return issue.keys.map(String).map((key) => {
      const options = path.length === 0 ? known : undefined;
      const suggestion = options === undefined ? undefined : didYouMean(key, options);
      const expected = suggestion !== undefined || options === undefined || options.length === 0 ? undefined : `one of ${options.join(", ")}`;
      return {
        ...nearest(entry.keyPlaces, entry.place, [...path, key]),
        code,
        message: `${within} has no option ${quoted(key)}${options?.length === 0 ? `: ${section} of type ${quoted(entry.type)} have none` : ""}`,
        ...(expected === undefined ? {} : { expected }),
        ...(suggestion === undefined ? {} : { suggestion }),
      };
    });
  }
  const value = valueAt(entry.options, path);
  const expected = expectedBy(issue);
  if (path.length > 0 && value === undefined) {
    const parent = path.length === 1 ? `[${section}.${entry.name}]` : quoted(path.slice(0, -1).join("."));
    return [{ ...nearest(entry.keyPlaces, entry.place, path.slice(0, -1)), code, message: `${parent} lacks ${quoted(path.at(-1)!)}`, expected }];
  }
  const place = nearest(entry.places, entry.place, path);
  if (path.length === 0) return [{ ...place, code, message: `the options of ${within} do not fit`, expected }];
  const found = entry.fromEnvironment.includes(path[0]!) ? "a value from the environment" : path.some(isSecretKey) ? "not shown" : valueText(value);
  return [{ ...place, code, message: `${within} is ${found}`, expected }];
}

/** The place of the innermost thing on the path that has one. */
function nearest(places: Readonly<Record<string, Place>>, fallback: Place, path: readonly string[]): Place {
  if (path.length === 0) return fallback;
  return places[path.join(".")] ?? nearest(places, fallback, path.slice(0, -1));
}

/** Zod's own messages say what was found, too, which is said already. */
function expectedBy({ message, errors }: Issue): string {
  if (Array.isArray(errors)) {
    const ways = (errors as readonly (readonly Issue[])[]).flatMap((way) => way.map(expectedBy));
    if (ways.length > 0) return [...new Set(ways)].join(" or ");
  }
  return /^Invalid (?:input|option): expected (?<what>.*?)(?:, received .*)?$/su.exec(message)?.groups?.["what"] ?? message;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce((at: unknown, step) => (typeof at === "object" && at !== null && Object.hasOwn(at, step) ? (at as Record<string, unknown>)[step] : undefined), value);
}

function valueText(value: unknown): string {
  if (typeof value === "string") return value === "" ? "empty" : quoted(value);
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return value instanceof Date ? "a date" : "a table";
}

function withReadTexts({ options, fromEnvironment }: OperatorEntry | FlowEnd): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, fromEnvironment.includes(key) ? readTexts(value) : value]));
}

function readTexts(value: unknown): unknown {
  if (value === "true" || value === "false") return value === "true";
  if (typeof value === "string") return /^-?\d{1,15}(?:\.\d{1,15})?$/u.test(value) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(readTexts);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, readTexts(element)]));
}

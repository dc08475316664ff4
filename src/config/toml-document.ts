import { parse, TomlError } from "smol-toml";
import { ParseError } from "toml-eslint-parser";
import type { Place, Problem } from "./configuration-error.js";
import { positionIndex, type Path } from "./position-index.js";

/** A table as parsed: keys may be any name, `__proto__` included. */
export type TomlTable = Readonly<Record<string, unknown>>;

/** A parsed file that knows where its keys and values stand. */
export interface TomlDocument {
  readonly file: string;
  readonly value: TomlTable;
  readonly keyAt: (path: Path) => Place;
  readonly valueAt: (path: Path) => Place;
}

export function isTable(value: unknown): value is TomlTable {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/**
 * The document of a TOML 1.1 text, or undefined where it is none; why is added to `problems`.
 * Integers are numbers, and bigints where a number cannot hold them.
 */
export function tomlDocument(file: string, text: string, problems: Problem[]): TomlDocument | undefined {
  try {
    const value = parse(text, { integersAsBigInt: "asNeeded" });
    const positions = positionIndex(text);
    return {
      file,
      value,
      keyAt: (path) => ({ file, ...positions.keyAt(path) }),
      valueAt: (path) => ({ file, ...positions.valueAt(path) }),
    };
  } catch (error) {
    problems.push({ ...syntaxError(error), file, code: "SYNTAX" });
    return undefined;
  }
}

function syntaxError(error: unknown): { readonly line: number; readonly column: number; readonly message: string } {
  // Only the first line: the parser goes on with an excerpt of the text, which may hold a password.
  const firstLine = (message: string): string => message.split("\n", 1)[0] ?? "";
  if (error instanceof TomlError) {
    const message = firstLine(error.message).replace(/^Invalid TOML document: /u, "");
    return { line: error.line, column: error.column, message: `not valid TOML: ${message}` };
  }
  if (error instanceof ParseError) {
    return { line: error.lineNumber, column: error.column + 1, message: `not valid TOML: ${firstLine(error.message)}` };
  }
  // The parsers recurse: a text nested thousands of levels deep ends here.
  return { line: 1, column: 1, message: "not valid TOML: nested too deeply" };
}

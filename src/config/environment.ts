import type { Problem } from "./configuration-error.js";
import type { Path } from "./position-index.js";
import { isTable, type TomlDocument, type TomlTable } from "./toml-document.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * A string that came at least partly from the environment. It may stand for a number or a boolean, where one is
 * expected, and is not shown where its form is wrong: it may have been meant to be secret.
 */
export class Substituted {
  constructor(
    readonly text: string,
    /** A variable was not set: reported already, and the text has no meaning. */
    readonly failed: boolean,
  ) {}
}

const SUBSTITUTION = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::([-?])([^}]*))?\})?/gu;

/** Deeper than the grammar goes, and shallow enough for the stack. */
const DEEPEST = 32;

/**
 * `table`, a copy with `${NAME}`, `${NAME:-default}` and `${NAME:?message}` resolved in its string values. As in the
 * shell, the last two also hold for a variable that is set but empty; `$${` is a literal `${`. A default or a message
 * ends at the first `}` and holds no substitution itself.
 */
export function substituteEnvironment(
  document: TomlDocument,
  path: Path,
  table: TomlTable,
  environment: Environment,
  problems: Problem[],
): TomlTable {
  const resolveText = (at: Path, text: string): string | Substituted => {
    if (!text.includes("${")) return text;
    const seen = { variable: false, failure: false };
    const fail = (code: Problem["code"], message: string, expected: string): string => {
      problems.push({ ...document.valueAt(at), code, message, expected });
      seen.failure = true;
      return "";
    };
    const substitute = (match: string, name: string | undefined, operator: string | undefined, word: string): string => {
      if (match === "$${") return "${";
      if (name === undefined || word.includes("${")) {
        return fail(
          "BAD_SUBSTITUTION",
          "a ${ that starts no substitution",
          "${NAME}, ${NAME:-default}, ${NAME:?message}, or $${ for the characters themselves",
        );
      }
      seen.variable = true;
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
      if (value !== undefined && (operator === undefined || value !== "")) return value;
      if (operator === "-") return word;
      const said = word === "" ? "" : `: ${word}`;
      return fail(
        "UNSET_VARIABLE",
        `the environment variable ${name} is not set${said}`,
        `it to be set, or a default: \${${name}:-…}`,
      );
    };
    const resolved = text.replace(SUBSTITUTION, (match, name?: string, operator?: string, word?: string) =>
      substitute(match, name, operator, word ?? ""),
    );
    return seen.variable || seen.failure ? new Substituted(resolved, seen.failure) : resolved;
  };

  const resolve = (at: Path, value: unknown): unknown => {
    if (typeof value === "string") return resolveText(at, value);
    if (at.length > DEEPEST) return value;
    if (Array.isArray(value)) return value.map((element: unknown, index) => resolve([...at, index], element));
    return isTable(value) ? resolveTable(at, value) : value;
  };

  const resolveTable = (at: Path, from: TomlTable): TomlTable => {
    const to = Object.create(null) as Record<string, unknown>;
    for (const [key, value] of Object.entries(from)) to[key] = resolve([...at, key], value);
    return to;
  };

  return resolveTable(path, table);
}

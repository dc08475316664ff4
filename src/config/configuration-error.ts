import { ReshardError } from "../errors.js";

/** Where something stands. Line and column are 1-based; both are 0 where `file` names a flag or a file as a whole. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export type ProblemCode =
  /** The file cannot be read. */
  | "UNREADABLE_FILE"
  /** The file is not TOML. */
  | "SYNTAX"
  /** A section that no file of this kind has. */
  | "UNKNOWN_SECTION"
  /** A key that its section does not have. */
  | "UNKNOWN_KEY"
  /** A section or a key that must be there is not. */
  | "MISSING"
  /** A value of another type, such as a string for a number. */
  | "WRONG_TYPE"
  /** A value that is none of those there may be. */
  | "WRONG_VALUE"
  /** Two things that each are right contradict each other. */
  | "CONFLICT"
  /** `${NAME}` names a variable that the environment lacks. */
  | "UNSET_VARIABLE"
  /** A `${` that starts no substitution. */
  | "BAD_SUBSTITUTION"
  /** A name that no `[[databases]]` entry has. */
  | "UNKNOWN_DATABASE"
  /** A stage names an operator, a source or a sink that is not there. */
  | "UNKNOWN_ENTRY"
  /** An operator's `type` is no stock operator's. */
  | "OPERATOR_UNKNOWN"
  /** An operator's module cannot be loaded, or exports none. */
  | "OPERATOR_MODULE_FAILED"
  /** The operator does not take these options. */
  | "OPERATOR_OPTIONS"
  /** A source's or sink's `type` is none that is known. */
  | "FLOW_TYPE_UNKNOWN"
  /** The source or sink does not take these options. */
  | "FLOW_OPTIONS"
  /** The shards of a database are not numbered from 0 without gaps. */
  | "SHARD_GAP"
  /** A shard with no primary, or more than one. */
  | "PRIMARY"
  /** None, or more than one, `[[users]]` entry to connect as. */
  | "SCHEMA_ADMIN"
  /** A rule names a shard that the database does not have. */
  | "UNKNOWN_SHARD"
  /** A `[[sharded_mappings]]` row that belongs to no `[[sharded_tables]]` entry. */
  | "UNMATCHED_MAPPING"
  /** Ranges that overlap, or a value listed twice. */
  | "OVERLAP"
  /** PgDog knows it, pg-reshard does not. */
  | "UNSUPPORTED";

/** One mistake in the configuration. None of its texts ever holds a password. */
export interface Problem extends Place {
  readonly code: ProblemCode;
  /** What is wrong. */
  readonly message: string;
  /** What would have been right. */
  readonly expected?: string;
  /** The name that was probably meant. */
  readonly suggestion?: string;
  /** Further lines: where a module threw. */
  readonly detail?: string;
}

/** `file:line:column`, or the file alone where there is no line. */
export function placeText(place: Place): string {
  return place.line === 0 ? place.file : `${place.file}:${place.line}:${place.column}`;
}

/** `file:line:column: what, expected …, did you mean "…"?` */
export function problemText(problem: Problem): string {
  const expected = problem.expected === undefined ? "" : `, expected ${problem.expected}`;
  const suggestion = problem.suggestion === undefined ? "" : `, did you mean ${quoted(problem.suggestion)}?`;
  return `${placeText(problem)}: ${problem.message}${expected}${suggestion}`;
}

/** A name for a message: in quotes, escaped, and not longer than a line. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

/** May a key of this name, of an operator's or a sink's own options too, have a value that is not to be shown? */
export function isSecretKey(key: string): boolean {
  return /pass|secret|token|salt|credential|^key$|api_?key/iu.test(key);
}

/** Every mistake of every file, each on a line of the message. Its code is CONFIGURATION. */
export class ConfigurationError extends ReshardError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const lines = problems.map((problem) => `\n  ${problemText(problem)}`);
    const first = problems[0];
    const count = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
    super("CONFIGURATION", `${count} in the configuration:${lines.join("")}`, {
      remedy: "Correct what is listed and run the same command again. Nothing has been connected to.",
      ...(first === undefined || first.line === 0
        ? {}
        : { place: { file: first.file, line: first.line, column: first.column } }),
    });
    this.problems = problems;
  }
}

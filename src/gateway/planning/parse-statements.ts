import { parseSync } from "pgsql-parser";
import type { Node } from "../../schema/syntax-tree.js";
import { LeastRecentlyUsed } from "./least-recently-used.js";

/** One statement of a client's text. */
export interface ParsedStatement {
  /** Its own text: with the comments before it, without the semicolon after it (there may be those of empty statements before it). */
  readonly text: string;
  /** Where it stands in the whole text: bytes of UTF-8, from 0; `end` is behind it. The tree's locations count so too. */
  readonly start: number;
  readonly end: number;
  readonly node: Node;
}

/** As an ErrorResponse says it. */
export interface ParseFailure {
  readonly sqlState: string;
  readonly message: string;
  /** In characters, from 1; absent where it is not known. */
  readonly position?: number;
}

export type ParsedText = { readonly statements: readonly ParsedStatement[] } | { readonly failure: ParseFailure };

/** Characters of text whose trees are kept; a tree takes some fifty times its text. */
const CACHED_CHARACTERS = 2 ** 20;

const cache = new LeastRecentlyUsed<string, ParsedText>(CACHED_CHARACTERS);

/**
 * The statements of a text, of which a simple query may have several; none where it is blank. Call `loadParser` first.
 * Trees are shared by all who parse the same text: they are not to be changed.
 */
export function parseStatements(text: string): ParsedText {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const parsed = parse(text);
  cache.set(text, parsed, text.length + 100);
  return parsed;
}

function parse(text: string): ParsedText {
  // The parser takes no empty text, and reads to the first NUL.
  if (text === "") return { statements: [] };
  if (text.includes("\0")) return { failure: { sqlState: "22021", message: 'invalid byte sequence for encoding "UTF8": 0x00' } };
  let raw: NonNullable<ReturnType<typeof parseSync>["stmts"]>;
  try {
    raw = parseSync(text).stmts ?? [];
  } catch (error) {
    return { failure: failureOf(error) };
  }
  const bytes = Buffer.from(text);
  const statements: ParsedStatement[] = [];
  let start = 0;
  for (const { stmt, stmt_location: location = 0, stmt_len: length } of raw) {
    // Without a length it goes to the end. The comments before it are its own: they may say where it goes.
    const end = length === undefined || length === 0 ? bytes.length : location + length;
    if (stmt !== undefined) statements.push({ text: bytes.toString("utf8", start, end), start, end, node: stmt });
    start = end + 1;
  }
  return { statements };
}

function failureOf(error: unknown): ParseFailure {
  const message = error instanceof Error ? error.message : String(error);
  const details = (error as { readonly sqlDetails?: { readonly cursorPosition?: number } } | undefined)?.sqlDetails;
  if (details === undefined || message.startsWith("memory exhausted")) {
    // The parser's or this process' stack: PostgreSQL has a limit of the same kind (max_stack_depth).
    return { sqlState: "54001", message: `the statement is too complex to be read: ${message}` };
  }
  const { cursorPosition } = details;
  return { sqlState: "42601", message, ...(cursorPosition === undefined || cursorPosition < 0 ? {} : { position: cursorPosition + 1 }) };
}

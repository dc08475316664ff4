/**
 * PostgreSQL's tokens, as far as they can hide other tokens (parser/scan.l; standard_conforming_strings is on): comments,
 * quoted strings and names, dollar quotes; then words, numbers and single characters.
 */
const TOKEN =
  /--[^\n]*|\/\*|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([\p{L}_\u0080-\uffff][\p{L}\p{N}_\u0080-\uffff]*)?\$|[\p{L}_\u0080-\uffff][\p{L}\p{N}_$\u0080-\uffff]*|[0-9]+|\s+|./suy;

export interface SqlToken {
  /** How it begins: of a dollar quote or a block comment only its opening. */
  readonly token: string;
  /** In characters, behind it. */
  readonly end: number;
  readonly kind: "token" | "comment" | "space";
}

/** The token that begins at that character, of which there has to be one. */
export function tokenAt(text: string, at: number): SqlToken {
  TOKEN.lastIndex = at;
  const token = TOKEN.exec(text)![0];
  const kind = token.startsWith("--") || token === "/*" ? "comment" : /^\s/.test(token) ? "space" : "token";
  const end = token === "/*" ? endOfComment(text, at) : token.startsWith("$") && token.length > 1 ? endOfDollarQuote(text, at, token) : at + token.length;
  return { token, end, kind };
}

/** Block comments nest. */
function endOfComment(text: string, start: number): number {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = start + 2;
  for (let depth = 1; depth > 0; ) {
    const match = edge.exec(text);
    if (match === null) return text.length;
    depth += match[0] === "/*" ? 1 : -1;
  }
  return edge.lastIndex;
}

function endOfDollarQuote(text: string, start: number, tag: string): number {
  const close = text.indexOf(tag, start + tag.length);
  return close < 0 ? text.length : close + tag.length;
}

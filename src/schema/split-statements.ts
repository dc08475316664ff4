/**
 * PostgreSQL's tokens, as far as they can hide a semicolon (parser/scan.l; standard_conforming_strings is on in every
 * dump): comments, quoted strings and names, dollar quotes; then words, brackets and single characters.
 */
const TOKEN =
  /--[^\n]*|\/\*|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([\p{L}_\u0080-\uffff][\p{L}\p{N}_\u0080-\uffff]*)?\$|[\p{L}_\u0080-\uffff][\p{L}\p{N}_$\u0080-\uffff]*|[0-9]+|\s+|./suy;

/** psql's own lines at the head and foot of a dump: `\restrict TOKEN` and `\unrestrict TOKEN`. */
const META_COMMAND = /\\(?:un)?restrict [^\n]*/y;

export interface StatementText {
  /** Verbatim, without comments before it and without the closing semicolon. */
  readonly sql: string;
  /** A line for psql, not for a server. */
  readonly meta: boolean;
}

/** Cuts a dump into its statements. The bodies of SQL-standard functions (`BEGIN ATOMIC … END`) stay whole. */
export function splitStatements(text: string): StatementText[] {
  const statements: StatementText[] = [];
  let start = -1;
  let end = 0;
  let brackets = 0;
  /** BEGIN ATOMIC and CASE blocks that are open. */
  let blocks = 0;
  let lastWord = "";
  const finish = (): void => {
    if (start >= 0) statements.push({ sql: text.slice(start, end), meta: false });
    start = -1;
    brackets = blocks = 0;
    lastWord = "";
  };
  for (let at = 0; at < text.length; ) {
    if (start < 0) {
      META_COMMAND.lastIndex = at;
      const meta = META_COMMAND.exec(text);
      if (meta !== null) {
        statements.push({ sql: meta[0].trimEnd(), meta: true });
        at += meta[0].length;
        continue;
      }
    }
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text)!;
    const token = match[0];
    const from = at;
    at = token === "/*" ? endOfComment(text, at) : token.startsWith("$") && token.length > 1 ? endOfDollarQuote(text, at, token) : at + token.length;
    if (token.startsWith("--") || token === "/*" || /^\s/.test(token)) continue;
    if (token === ";" && brackets === 0 && blocks === 0) {
      finish();
      continue;
    }
    if (start < 0) start = from;
    end = at;
    if (token === "(" || token === "[") brackets++;
    else if (token === ")" || token === "]") brackets--;
    else if (/^[a-z]/i.test(token)) {
      const word = token.toUpperCase();
      if (word === "ATOMIC" && lastWord === "BEGIN") blocks++;
      else if (blocks > 0 && word === "CASE") blocks++;
      else if (blocks > 0 && word === "END") blocks--;
      lastWord = word;
    }
  }
  finish();
  return statements;
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

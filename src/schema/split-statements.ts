import { tokenAt } from "../postgres/sql-tokens.js";

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
    const from = at;
    const { token, end: behind, kind } = tokenAt(text, from);
    at = behind;
    if (kind !== "token") continue;
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

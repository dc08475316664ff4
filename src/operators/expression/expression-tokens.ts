import { ExpressionError } from "./expression-error.js";

/** Words that are no column's name unless they are quoted. */
const KEYWORDS = ["and", "between", "false", "ilike", "in", "is", "like", "not", "null", "or", "true"] as const;
export type Keyword = (typeof KEYWORDS)[number];

export type Token = { readonly at: number; readonly text: string } & (
  | { readonly kind: "name" | "string" | "number"; readonly value: string }
  | { readonly kind: "keyword"; readonly value: Keyword }
  | { readonly kind: "symbol"; readonly value: string }
  | { readonly kind: "end"; readonly value: "" }
);

/** As PostgreSQL's lexer has them, of what the language knows (parser/scan.l). */
const PATTERNS = {
  blank: /[ \t\n\r\f]+/y,
  name: /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y,
  quoted: /"((?:[^"]|"")+)"/y,
  string: /'((?:[^']|'')*)'/y,
  number: /(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y,
  symbol: /<=|>=|<>|!=|[=<>(),-]/y,
};

/** @throws ExpressionError */
export function expressionTokens(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const next = (): Token | undefined => {
    const name = match(PATTERNS.name)?.[0];
    if (name !== undefined) {
      // Only ASCII letters are folded, as in a database in UTF-8.
      const value = name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
      const keyword = KEYWORDS.find((word) => word === value);
      return keyword === undefined ? { kind: "name", value, at, text: name } : { kind: "keyword", value: keyword, at, text: name };
    }
    const quoted = match(PATTERNS.quoted);
    if (quoted !== null) return { kind: "name", value: quoted[1]!.replaceAll('""', '"'), at, text: quoted[0] };
    const string = match(PATTERNS.string);
    if (string !== null) return { kind: "string", value: string[1]!.replaceAll("''", "'"), at, text: string[0] };
    const number = match(PATTERNS.number)?.[0];
    if (number !== undefined) {
      if (/[A-Za-z0-9_.\u0080-\uffff]/.test(text[at + number.length] ?? "")) throw new ExpressionError("a number ends in letters", text, at + number.length);
      return { kind: "number", value: number, at, text: number };
    }
    const symbol = match(PATTERNS.symbol)?.[0];
    return symbol === undefined ? undefined : { kind: "symbol", value: symbol === "!=" ? "<>" : symbol, at, text: symbol };
  };
  for (;;) {
    at += match(PATTERNS.blank)?.[0].length ?? 0;
    if (at >= text.length) break;
    const token = next();
    if (token === undefined) throw new ExpressionError(unreadable(text, at), text, at);
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: "end", value: "", at, text: "" });
  return tokens;
}

function unreadable(text: string, at: number): string {
  switch (text[at]) {
    case "'":
      return "a string without its closing quote";
    case '"':
      return "a name in quotes that is empty or not closed";
    default:
      return `${JSON.stringify(String.fromCodePoint(text.codePointAt(at)!))} means nothing here`;
  }
}

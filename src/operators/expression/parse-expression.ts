import { ExpressionError } from "./expression-error.js";
import { expressionTokens, type Keyword, type Token } from "./expression-tokens.js";

export type Comparison = "=" | "<>" | "<" | "<=" | ">" | ">=";

/** `at` is the offset in the text. */
export type Operand =
  | { readonly kind: "column"; readonly name: string; readonly at: number }
  | { readonly kind: "number"; readonly text: string; readonly at: number }
  | { readonly kind: "string"; readonly text: string; readonly at: number }
  | { readonly kind: "boolean"; readonly value: boolean; readonly at: number }
  | { readonly kind: "null"; readonly at: number };

export type Expression =
  | { readonly kind: "and" | "or"; readonly parts: readonly Expression[] }
  | { readonly kind: "not"; readonly part: Expression }
  /** A boolean column or literal by itself. */
  | { readonly kind: "truth"; readonly operand: Operand }
  | { readonly kind: "compare"; readonly comparison: Comparison; readonly left: Operand; readonly right: Operand }
  | { readonly kind: "like"; readonly insensitive: boolean; readonly operand: Operand; readonly pattern: string | null; readonly at: number }
  | { readonly kind: "null"; readonly operand: Operand };

/** Deeper than people write, and shallow enough for the stack. */
const DEEPEST = 100;
/** Numbers beyond are no one's, and would be made of so many digits. */
const LARGEST_EXPONENT = 1000;

/**
 * Reads a condition: column names, numbers, 'strings', TRUE, FALSE, NULL; = <> != < <= > >=, [NOT] IN (…),
 * [NOT] BETWEEN … AND …, [NOT] LIKE, [NOT] ILIKE, IS [NOT] NULL; NOT, AND, OR, parentheses. Precedence and meaning are
 * PostgreSQL's; IN and BETWEEN become what they stand for.
 * @throws ExpressionError
 */
export function parseExpression(text: string): Expression {
  return new Parser(text).whole();
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = expressionTokens(text);
  }

  whole(): Expression {
    const expression = this.#or();
    if (this.#token.kind !== "end") throw this.#expected("AND, OR or the end");
    return expression;
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #or(): Expression {
    return this.#list("or", () => this.#list("and", () => this.#not()));
  }

  #list(kind: "and" | "or", part: () => Expression): Expression {
    const parts = [part()];
    while (this.#takes(kind)) parts.push(part());
    return parts.length === 1 ? parts[0]! : { kind, parts };
  }

  #not(): Expression {
    if (this.#takes("not")) return this.#deeper(() => ({ kind: "not", part: this.#not() }));
    if (!this.#takes("(")) return this.#predicate();
    return this.#deeper(() => {
      const inner = this.#or();
      this.#needs(")");
      return inner;
    });
  }

  #deeper(read: () => Expression): Expression {
    if (++this.#depth > DEEPEST) throw this.#error(`more than ${DEEPEST} levels of parentheses and NOT`);
    const expression = read();
    this.#depth--;
    return expression;
  }

  #predicate(): Expression {
    const operand = this.#operand();
    if (this.#takes("is")) {
      const negated = this.#takes("not");
      this.#needs("null");
      return negatedIf(negated, { kind: "null", operand });
    }
    if (this.#token.kind === "symbol" && isComparison(this.#token.value)) {
      const comparison = this.#token.value;
      this.#next++;
      return { kind: "compare", comparison, left: operand, right: this.#operand() };
    }
    const negated = this.#takes("not");
    if (this.#takes("in")) return negatedIf(negated, this.#in(operand));
    if (this.#takes("between")) return negatedIf(negated, this.#between(operand));
    const like = this.#token;
    const insensitive = this.#takes("ilike");
    if (insensitive || this.#takes("like")) return negatedIf(negated, this.#like(operand, insensitive, like.at));
    if (negated) throw this.#expected("IN, BETWEEN, LIKE or ILIKE");
    return { kind: "truth", operand };
  }

  #in(left: Operand): Expression {
    this.#needs("(");
    const parts: Expression[] = [];
    do parts.push({ kind: "compare", comparison: "=", left, right: this.#operand() });
    while (this.#takes(","));
    this.#needs(")");
    return { kind: "or", parts };
  }

  #between(left: Operand): Expression {
    const low = this.#operand();
    this.#needs("and");
    return { kind: "and", parts: [{ kind: "compare", comparison: ">=", left, right: low }, { kind: "compare", comparison: "<=", left, right: this.#operand() }] };
  }

  #like(operand: Operand, insensitive: boolean, at: number): Expression {
    const pattern = this.#operand();
    if (pattern.kind === "null") return { kind: "like", insensitive, operand, pattern: null, at };
    if (pattern.kind !== "string") throw new ExpressionError("a pattern in quotes was expected, such as 'a%'", this.#text, pattern.at);
    if (/(?:^|[^\\])(?:\\\\)*\\$/.test(pattern.text)) throw new ExpressionError("the pattern ends with the escape character: write \\\\ for a backslash", this.#text, pattern.at);
    return { kind: "like", insensitive, operand, pattern: pattern.text, at };
  }

  #operand(): Operand {
    const token = this.#token;
    const { at } = token;
    if (token.kind === "symbol" && token.value === "-") {
      this.#next++;
      if (this.#token.kind !== "number") throw this.#expected("a number");
      return this.#number("-", at);
    }
    if (token.kind === "number") return this.#number("", at);
    if (token.kind === "keyword" && !["true", "false", "null"].includes(token.value)) throw this.#expected("a column or a value");
    if (token.kind === "symbol" || token.kind === "end") throw this.#expected("a column or a value");
    this.#next++;
    if (token.kind === "name") {
      if (this.#token.value === "(" && this.#token.kind === "symbol") throw this.#error(`${token.text} looks like a function, and there are none here`, at);
      return { kind: "column", name: token.value, at };
    }
    if (token.kind === "string") return { kind: "string", text: token.value, at };
    return token.value === "null" ? { kind: "null", at } : { kind: "boolean", value: token.value === "true", at };
  }

  #number(sign: "" | "-", at: number): Operand {
    const { value } = this.#token;
    if (Math.abs(Number(/e(.*)$/i.exec(value)?.[1] ?? 0)) > LARGEST_EXPONENT) throw this.#error(`an exponent beyond ${LARGEST_EXPONENT}`);
    this.#next++;
    return { kind: "number", text: sign + value, at };
  }

  #takes(word: Keyword | "(" | ")" | ","): boolean {
    const { kind, value } = this.#token;
    if ((kind !== "keyword" && kind !== "symbol") || value !== word) return false;
    this.#next++;
    return true;
  }

  #needs(word: Keyword | "(" | ")"): void {
    if (!this.#takes(word)) throw this.#expected(word.toUpperCase());
  }

  #expected(what: string): ExpressionError {
    const { kind, text } = this.#token;
    return this.#error(`${what} was expected, not ${kind === "end" ? "the end" : text}`);
  }

  #error(reason: string, at = this.#token.at): ExpressionError {
    return new ExpressionError(reason, this.#text, at);
  }
}

function negatedIf(negated: boolean, part: Expression): Expression {
  return negated ? { kind: "not", part } : part;
}

const COMPARISONS: readonly string[] = ["=", "<>", "<", "<=", ">", ">="] satisfies Comparison[];

function isComparison(symbol: string): symbol is Comparison {
  return COMPARISONS.includes(symbol);
}

import { CommandSyntaxError } from "./command-syntax-error.js";

/** A piece of a command. `at` is where it begins in the text, in characters from 1, as PostgreSQL counts error positions. */
export type Token =
  /** Without quotes: a keyword or a name, as it was written. */
  | { readonly kind: "word"; readonly text: string; readonly at: number }
  /** `"name"`, `'text'`; without the quotes, doubled ones halved. */
  | { readonly kind: "identifier" | "literal"; readonly text: string; readonly at: number }
  /** `$1`; the text has the dollar sign. */
  | { readonly kind: "parameter"; readonly text: string; readonly number: number; readonly at: number }
  | { readonly kind: "symbol"; readonly text: string; readonly at: number };

/** Names of databases may hold hyphens and dots; `::` is a symbol of its own. */
const WORD = /[\p{L}\p{N}_.$](?:(?!--)[\p{L}\p{N}_.$-])*/uy;
const SPACE = /[\s\u0000]+/y;
const SYMBOL = /::|[^]/uy;

/** The commands of a text, each without its semicolon; what is between two of them and holds nothing is left out. */
export function commandsIn(text: string): Token[][] {
  const commands: Token[][] = [[]];
  for (const token of tokensIn(text)) {
    if (token.kind === "symbol" && token.text === ";") commands.push([]);
    else commands.at(-1)!.push(token);
  }
  return commands.filter((command) => command.length > 0);
}

function* tokensIn(text: string): Generator<Token> {
  const characters = new CharacterCount(text);
  const match = (pattern: RegExp, index: number): string | undefined => {
    pattern.lastIndex = index;
    return pattern.exec(text)?.[0];
  };
  for (let index = 0; index < text.length; ) {
    const begin = index;
    const at = characters.before(begin) + 1;
    const space = match(SPACE, begin);
    if (space !== undefined) {
      index += space.length;
      continue;
    }
    const two = text.slice(begin, begin + 2);
    if (two === "--") {
      const end = text.slice(begin).search(/[\r\n]/);
      index = end < 0 ? text.length : begin + end;
      continue;
    }
    if (two === "/*") {
      index = endOfComment(text, begin, at);
      continue;
    }
    const quote = text[begin]!;
    if (quote === '"' || quote === "'") {
      const end = endOfQuotes(text, begin, at);
      const content = text.slice(begin + 1, end - 1).replaceAll(quote + quote, quote);
      if (quote === '"' && content === "") throw new CommandSyntaxError('zero-length delimited identifier at or near """"', { position: at });
      index = end;
      yield { kind: quote === '"' ? "identifier" : "literal", text: content, at };
      continue;
    }
    const word = match(WORD, begin);
    if (word !== undefined) {
      index += word.length;
      const number = /^\$(\d{1,5})$/.exec(word);
      yield number === null ? { kind: "word", text: word, at } : { kind: "parameter", text: word, number: Number(number[1]), at };
      continue;
    }
    const symbol = match(SYMBOL, begin)!;
    index += symbol.length;
    yield { kind: "symbol", text: symbol, at };
  }
}

/** Behind the comment's end; comments nest (manual, "Comments"). */
function endOfComment(text: string, begin: number, at: number): number {
  let depth = 0;
  const marks = /\/\*|\*\//g;
  marks.lastIndex = begin;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  throw new CommandSyntaxError("unterminated /* comment", { position: at });
}

function endOfQuotes(text: string, begin: number, at: number): number {
  const quote = text[begin]!;
  for (let end = text.indexOf(quote, begin + 1); end >= 0; end = text.indexOf(quote, end + 2)) {
    if (text[end + 1] !== quote) return end + 1;
  }
  throw new CommandSyntaxError(`unterminated quoted ${quote === '"' ? "identifier" : "string"}`, { position: at });
}

/** Counts characters, not UTF-16 units; asked for growing places. */
class CharacterCount {
  readonly #text: string;
  #index = 0;
  #count = 0;

  constructor(text: string) {
    this.#text = text;
  }

  before(index: number): number {
    while (this.#index < index) {
      this.#index += this.#text.codePointAt(this.#index)! > 0xffff ? 2 : 1;
      this.#count++;
    }
    return this.#count;
  }
}

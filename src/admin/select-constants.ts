import { ReshardError } from "../errors.js";
import { type Column, type ColumnType, type Table, textOf, type Value } from "./answer.js";
import { CommandSyntaxError } from "./command-syntax-error.js";
import type { Settings } from "./session-settings.js";
import type { Token } from "./tokens.js";

/** What a session knows of itself. */
export interface SelectFacts {
  readonly user: string;
  readonly database: string;
  readonly processId: number;
  /** As SELECT version() says. */
  readonly version: string;
  readonly settings: Settings;
  readonly now: Date;
}

interface Constant {
  readonly name: string;
  readonly type: ColumnType;
  readonly value: Value;
}

const UNNAMED = "?column?";

const CASTS: Readonly<Record<string, ColumnType>> = {
  text: "text", varchar: "text", name: "text", regclass: "text",
  int: "int4", int4: "int4", integer: "int4", oid: "int8", bigint: "int8", int8: "int8",
};

const FUNCTIONS: Readonly<Record<string, (facts: SelectFacts, words: readonly Value[]) => { readonly type: ColumnType; readonly value: Value }>> = {
  version: ({ version }) => ({ type: "text", value: version }),
  current_database: ({ database }) => ({ type: "text", value: database }),
  current_catalog: ({ database }) => ({ type: "text", value: database }),
  current_user: ({ user }) => ({ type: "text", value: user }),
  session_user: ({ user }) => ({ type: "text", value: user }),
  user: ({ user }) => ({ type: "text", value: user }),
  current_schema: () => ({ type: "text", value: "public" }),
  pg_backend_pid: ({ processId }) => ({ type: "int4", value: processId }),
  pg_is_in_recovery: () => ({ type: "bool", value: false }),
  txid_current: () => ({ type: "int8", value: 0 }),
  now: ({ now }) => ({ type: "timestamptz", value: now }),
  current_timestamp: ({ now }) => ({ type: "timestamptz", value: now }),
  current_setting: ({ settings }, [name]) => ({ type: "text", value: settings.get(String(name).toLowerCase()) }),
  set_config: (_, [, value]) => ({ type: "text", value }),
};

/** A table of PostgreSQL's catalogs, or a view of the information schema. */
const CATALOG = /^(?:pg_catalog\.|information_schema\.|pg_[a-z])/i;

/**
 * A SELECT of constants and of what a session knows of itself, as drivers and tools send them to see whether somebody
 * is there: `SELECT 1`, `SELECT version()`, `SELECT current_setting('server_version_num')::int / 100 AS version`. From
 * catalogs, where drivers look for types that they could know, there are no rows.
 *
 * Fails with NOT_SUPPORTED where it reads anything else.
 */
export function selectConstants(tokens: readonly Token[], facts: SelectFacts): Table {
  const from = tokens.findIndex((token) => isWord(token, "FROM"));
  // pgAdmin sets a setting by selecting from the function that lists them.
  if (from >= 0 && !isWord(tokens[from + 1], "PG_SHOW_ALL_SETTINGS")) {
    if (!tokens.slice(from).some((token) => token.kind === "word" && CATALOG.test(token.text))) throw notSupported();
    return { columns: columnsNamed(tokens.slice(0, from)), rows: [] };
  }
  const reader = new Reader(from < 0 ? tokens : tokens.slice(0, from), facts);
  const constants = [reader.item()];
  while (reader.skip(",")) constants.push(reader.item());
  reader.skip(";");
  if (!reader.ended) throw notSupported();
  const columns: Column[] = constants.map(({ name, type }) => ({ name, type }));
  return { columns, rows: [constants.map(({ value }) => value)] };
}

/** The columns of a list of expressions that are not looked into: each is called by its last word. */
function columnsNamed(list: readonly Token[]): Column[] {
  const items: Token[][] = [[]];
  let depth = 0;
  for (const token of list) {
    if (token.text === "*" && token.kind === "symbol") throw notSupported();
    if (token.kind === "symbol" && /[()]/.test(token.text)) depth += token.text === "(" ? 1 : -1;
    if (token.kind === "symbol" && token.text === "," && depth === 0) items.push([]);
    else items.at(-1)!.push(token);
  }
  return items.map((item) => {
    const last = item.at(-1);
    const name = last?.kind === "identifier" ? last.text : last?.kind === "word" ? last.text.slice(last.text.lastIndexOf(".") + 1).toLowerCase() : UNNAMED;
    return { name, type: "text" };
  });
}

function notSupported(): ReshardError {
  return new ReshardError("NOT_SUPPORTED", "The admin database has no tables: it answers its own commands, and SELECT of constants.", {
    remedy: "SHOW HELP lists the commands; SHOW TASKS and the others answer as tables.",
  });
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === "word" && token.text.toUpperCase() === word;
}

class Reader {
  readonly #tokens: readonly Token[];
  readonly #facts: SelectFacts;
  #next = 0;

  constructor(tokens: readonly Token[], facts: SelectFacts) {
    this.#tokens = tokens;
    this.#facts = facts;
  }

  get ended(): boolean {
    return this.#next === this.#tokens.length;
  }

  skip(symbol: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== "symbol" || token.text !== symbol) return false;
    this.#next++;
    return true;
  }

  /** An expression and what it is called. */
  item(): Constant {
    const constant = this.#sum();
    const as = isWord(this.#tokens[this.#next], "AS");
    if (as) this.#next++;
    const label = this.#tokens[this.#next];
    if (label?.kind !== "word" && label?.kind !== "identifier") {
      if (as) throw this.#unexpected();
      return constant;
    }
    this.#next++;
    return { ...constant, name: label.kind === "word" ? label.text.toLowerCase() : label.text };
  }

  #sum(): Constant {
    let sum = this.#value();
    for (;;) {
      const operator = ["+", "-", "*", "/"].find((symbol) => this.skip(symbol));
      if (operator === undefined) return sum;
      sum = this.#combined(sum, operator, this.#value());
    }
  }

  #combined(one: Constant, operator: string, other: Constant): Constant {
    const [a, b] = [Number(one.value), Number(other.value)];
    if (!Number.isFinite(a) || !Number.isFinite(b) || (operator === "/" && b === 0)) throw notSupported();
    const value = operator === "+" ? a + b : operator === "-" ? a - b : operator === "*" ? a * b : Math.trunc(a / b);
    return { name: UNNAMED, type: "int4", value };
  }

  /** A constant and its casts. */
  #value(): Constant {
    let constant = this.#primary();
    while (this.skip("::")) {
      const token = this.#tokens[this.#next];
      const type = token === undefined ? undefined : CASTS[token.text.toLowerCase()];
      const value = type === "text" ? textOf(constant.value) : Number(constant.value);
      if (type === undefined || Number.isNaN(value)) throw notSupported();
      this.#next++;
      constant = { name: constant.name === UNNAMED ? token!.text.toLowerCase() : constant.name, type, value };
    }
    return constant;
  }

  #primary(): Constant {
    const token = this.#tokens[this.#next];
    if (token === undefined) throw this.#unexpected();
    this.#next++;
    if (token.kind === "literal") return { name: UNNAMED, type: "text", value: token.text };
    if (token.kind === "symbol" && token.text === "-") {
      const negative = this.#primary();
      return { ...negative, value: -Number(negative.value) };
    }
    if (token.kind !== "word") throw notSupported();
    const word = token.text.toLowerCase().replace(/^pg_catalog\./, "");
    if (/^\d{1,9}$/.test(word)) return { name: UNNAMED, type: "int4", value: Number(word) };
    if (/^\d+\.\d+$/.test(word)) return { name: UNNAMED, type: "float8", value: Number(word) };
    if (word === "true" || word === "false") return { name: "bool", type: "bool", value: word === "true" };
    if (word === "null") return { name: UNNAMED, type: "text", value: undefined };
    const answer = Object.hasOwn(FUNCTIONS, word) ? FUNCTIONS[word] : undefined;
    if (answer === undefined) throw notSupported();
    return { name: word, ...answer(this.#facts, this.#arguments()) };
  }

  #arguments(): Value[] {
    if (!this.skip("(")) return [];
    const values: Value[] = [];
    while (!this.skip(")")) {
      if (values.length > 0 && !this.skip(",")) throw this.#unexpected();
      values.push(this.#sum().value);
    }
    return values;
  }

  #unexpected(): CommandSyntaxError {
    const token = this.#tokens[this.#next];
    return token === undefined ? new CommandSyntaxError("syntax error at end of input") : new CommandSyntaxError(`syntax error at or near "${token.text}"`, { position: token.at });
  }
}

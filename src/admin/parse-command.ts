import { didYouMean } from "../config/did-you-mean.js";
import type { SchemaPhase } from "../config/types.js";
import { type AdminCommand, type MigrationNames, SHOW_SUBJECTS, type ShowSubject } from "./admin-command.js";
import { COMMAND_FORMS } from "./command-forms.js";
import { CommandSyntaxError } from "./command-syntax-error.js";
import type { Token } from "./tokens.js";

/** The value of `$number`; words in its place where only the form is looked at. */
export type ParameterText = (number: number) => string;

/** Commands are given no parameters. */
export const NO_PARAMETERS: ParameterText = (number) => {
  throw new CommandSyntaxError(`there is no parameter $${number}`);
};

const PHASES: Readonly<Record<string, SchemaPhase>> = { PRE: "pre", POST: "post", CUTOVER: "cutover", POST_CUTOVER: "post-cutover" };

/** What a command's first word stands for. */
const PARSERS: Readonly<Record<string, (words: Words) => AdminCommand>> = {
  RESHARD: (words) => ({ kind: "reshard", ...migration(words), slot: words.optionalName() }),
  COPY_DATA: (words) => ({ kind: "copy_data", ...migration(words), slot: words.optionalName() }),
  REPLICATE: (words) => ({ kind: "replicate", ...migration(words), slot: words.optionalName() }),
  SCHEMA_SYNC: (words) => ({ kind: "schema_sync", phase: PHASES[words.keyword(Object.keys(PHASES))]!, ...migration(words) }),
  VERIFY: (words) => ({ kind: "verify", ...migration(words) }),
  CUTOVER: (words) => ({ kind: "cutover", task: words.ended ? undefined : words.number() }),
  STOP_TASK: (words) => ({ kind: "stop_task", task: words.number(), dropProgress: dropsProgress(words) }),
  MAINTENANCE: (words) => ({ kind: "maintenance", on: words.keyword(["ON", "OFF"]) === "ON", database: words.optionalName() }),
  PAUSE: (words) => ({ kind: "pause", database: words.optionalName() }),
  RESUME: (words) => ({ kind: "resume", database: words.optionalName() }),
  RELOAD: () => ({ kind: "reload" }),
  SHOW: (words) => ({ kind: "show", subject: words.keyword(SHOW_SUBJECTS.map((subject) => subject.toUpperCase())).toLowerCase() as ShowSubject }),
};

/** Words that begin a command. */
export const COMMAND_WORDS: readonly string[] = Object.keys(PARSERS);

/**
 * Reads one command. Keywords may be written in any case; names keep theirs, and may be quoted either way.
 *
 * Fails with a CommandSyntaxError, which says what was probably meant.
 */
export function parseCommand(tokens: readonly Token[], parameter: ParameterText = NO_PARAMETERS): AdminCommand {
  const [first, ...rest] = tokens;
  if (first === undefined) throw new CommandSyntaxError("syntax error at end of input");
  const word = first.kind === "word" ? first.text.toUpperCase() : "";
  // `in` would find what every object has.
  const parser = Object.hasOwn(PARSERS, word) ? PARSERS[word] : undefined;
  if (parser === undefined) throw unknownCommand(first, rest[0]);
  const words = new Words(word, rest, parameter);
  const command = parser(words);
  words.end();
  return command;
}

function unknownCommand(first: Token, second: Token | undefined): CommandSyntaxError {
  // Two words may have been meant to be one: SCHEMA SYNC, COPY DATA.
  const joined = first.kind === "word" && second?.kind === "word" ? didYouMean(`${first.text}_${second.text}`, COMMAND_WORDS.filter((word) => word.includes("_"))) : undefined;
  return syntaxErrorAt(first, joined ?? didYouMean(first.text, COMMAND_WORDS));
}

/** PostgreSQL's words for it, so that clients show the place. */
function syntaxErrorAt(token: Token | undefined, meant: string | undefined, remedy?: string): CommandSyntaxError {
  const hint = [...(meant === undefined ? [] : [`Did you mean ${meant}?`]), ...(remedy === undefined ? [] : [remedy])].join(" ");
  const details = hint === "" ? {} : { remedy: hint };
  return token === undefined ? new CommandSyntaxError("syntax error at end of input", details) : new CommandSyntaxError(`syntax error at or near "${token.text}"`, { position: token.at, ...details });
}

function migration(words: Words): MigrationNames {
  return { source: words.name(), destination: words.name(), publication: words.name() };
}

function dropsProgress(words: Words): boolean {
  if (words.ended) return false;
  words.keyword(["DROP"]);
  words.keyword(["PROGRESS"]);
  return true;
}

/** The words after a command's first one, taken from the left. */
class Words {
  readonly #command: string;
  readonly #tokens: readonly Token[];
  readonly #parameter: ParameterText;
  #next = 0;

  constructor(command: string, tokens: readonly Token[], parameter: ParameterText) {
    this.#command = command;
    this.#tokens = tokens;
    this.#parameter = parameter;
  }

  get ended(): boolean {
    return this.#next === this.#tokens.length;
  }

  /** One of these, in upper case. */
  keyword(expected: readonly string[]): string {
    const token = this.#tokens[this.#next];
    const found = token?.kind === "word" ? token.text.toUpperCase() : undefined;
    if (found === undefined || !expected.includes(found)) throw this.#unexpected(token, expected);
    this.#next++;
    return found;
  }

  /** A name or a parameter that holds one. */
  name(): string {
    const token = this.#tokens[this.#next];
    if (token === undefined || token.kind === "symbol") throw this.#unexpected(token);
    this.#next++;
    return token.kind === "parameter" ? this.#parameter(token.number) : token.text;
  }

  optionalName(): string | undefined {
    return this.ended ? undefined : this.name();
  }

  /** A task's number; a string or parameter may hold it. */
  number(): number {
    const token = this.#tokens[this.#next];
    const text = this.name();
    if (!/^\d{1,15}$/.test(text)) throw this.#unexpected(token);
    return Number(text);
  }

  end(): void {
    if (!this.ended) throw this.#unexpected(this.#tokens[this.#next]);
  }

  #unexpected(token: Token | undefined, expected: readonly string[] = []): CommandSyntaxError {
    // TABLE COPIES for TABLE_COPIES.
    const following = this.#tokens[this.#next + 1];
    const joined = token?.kind === "word" && following?.kind === "word" ? `${token.text}_${following.text}` : undefined;
    const candidates = [...(joined === undefined ? [] : [didYouMean(joined, expected.filter((word) => word.includes("_")))]), ...(token?.kind === "word" ? [didYouMean(token.text, expected)] : [])];
    const meant = candidates.find((candidate) => candidate !== undefined);
    const before = this.#tokens.slice(0, this.#next).map(({ text }) => text.toUpperCase());
    const forms = COMMAND_FORMS.filter(({ command }) => command.split(" ")[0] === this.#command);
    return syntaxErrorAt(token, meant === undefined ? undefined : [this.#command, ...before, meant].join(" "), forms.length === 1 ? `The form is: ${forms[0]!.command}` : "SHOW HELP lists what can be shown.");
  }
}

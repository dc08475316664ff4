import { parseBind } from "../wire/frontend-messages.js";
import type { Message } from "../wire/message.js";

/** The words after which a statement is looked at more closely. */
const WORDS = /\bset_config\s*\(|\bset\s|\blisten\b/i;
/** `SET a.b =`, `SET SESSION "A".b TO`. */
const SET_CUSTOM = /\bset\s+(?:(?:session|local)\s+)?((?:"[^"]+"|[\w$]+)(?:\s*\.\s*(?:"[^"]+"|[\w$]+))+)\s*(?:=|\bto\b)/gi;
/** `set_config('a.b'`; without the name, where it is not a constant. What is set for a transaction alone is of no interest. */
const CALL = /\bset_config\s*\(\s*(?:'([^']*)'\s*,)?(?!\s*[^,()']+,[^,()]*,\s*true\s*\))/gi;
const LISTEN = /\blisten\b/i;
/** What a name that is cut in two by a chunk's end can have at most. */
const OVERLAP = 200;

/**
 * What a session's statements may have done to it that its server cannot be asked for: settings of the user's own names
 * (`SET app.tenant = '5'`) are in no view. What is found here is asked for by name when the session moves; too much does no harm.
 */
export class StatementWatch {
  readonly #settings = new Set<string>();
  #unknown = false;
  #listens = false;
  #binaryResults = false;
  #tail = "";

  /** Names of two parts and more that may have been set. */
  get settings(): ReadonlySet<string> {
    return this.#settings;
  }

  /** A name was computed: what was set cannot be known. */
  get unknownSettings(): boolean {
    return this.#unknown;
  }

  /** It may LISTEN. */
  get listens(): boolean {
    return this.#listens;
  }

  /** It has asked for results in binary. */
  get binaryResults(): boolean {
    return this.#binaryResults;
  }

  /** A Bind message; undefined: one that is too long to be looked at, of which the worst is assumed. */
  seeBind(message: Message | undefined): void {
    if (this.#binaryResults) return;
    try {
      this.#binaryResults = message === undefined || parseBind(message).resultFormats.includes(1);
    } catch {
      // The server says what is wrong with it.
    }
  }

  /** A statement's text, or a piece of it that others follow. */
  see(text: string, last: boolean): void {
    const seen = this.#tail + text;
    this.#tail = last ? "" : seen.slice(-OVERLAP);
    if (!WORDS.test(seen)) return;
    if (LISTEN.test(seen)) this.#listens = true;
    for (const [, name] of seen.matchAll(SET_CUSTOM)) this.add(name!.replaceAll(/"|\s/g, ""));
    for (const { index, 1: name } of seen.matchAll(CALL)) {
      // What is cut off is seen again, whole.
      if (name === undefined) this.#unknown ||= last || index < seen.length - OVERLAP;
      else if (name.includes(".")) this.add(name);
    }
  }

  add(name: string): void {
    this.#settings.add(name.toLowerCase());
  }
}

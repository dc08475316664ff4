/** The words after which a statement is looked at more closely. */
const WORDS = /\bset_config\s*\(|\bset\s|\blisten\b/i;
/** `SET a.b =`, `SET SESSION "A".b TO`. */
const SET_CUSTOM = /\bset\s+(?:(?:session|local)\s+)?((?:"[^"]+"|[\w$]+)(?:\s*\.\s*(?:"[^"]+"|[\w$]+))+)\s*(?:=|\bto\b)/gi;
/** `set_config('a.b'`; without the name, where it is not a constant. */
const CALL = /\bset_config\s*\(\s*(?:'([^']*)'\s*,)?/gi;
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

  /** A statement's text, or a piece of it that others follow. */
  see(text: string, last: boolean): void {
    const seen = this.#tail + text;
    this.#tail = last ? "" : seen.slice(-OVERLAP);
    if (!WORDS.test(seen)) return;
    if (LISTEN.test(seen)) this.#listens = true;
    for (const [, name] of seen.matchAll(SET_CUSTOM)) this.add(name!.replaceAll(/"|\s/g, ""));
    for (const [, name] of seen.matchAll(CALL)) {
      if (name === undefined) this.#unknown = true;
      else if (name.includes(".")) this.add(name);
    }
  }

  add(name: string): void {
    this.#settings.add(name.toLowerCase());
  }
}

/** A value's text as JSON. */
export type JsonOf = (text: string) => string;

/**
 * How values of a type are written in JSON: as PostgreSQL's `to_json` has them (datum_to_json, utils/adt/json.c), but
 * composite types as their text, and line feeds inside of `json` as blanks, which mean the same there.
 *
 * @param type `pg_type.typname`; an array's begins with `_`
 */
export function jsonOf(type: string): JsonOf {
  const known = BY_TYPE[type];
  if (known !== undefined) return known;
  return type.startsWith("_") && type.length > 1 ? arrayOf(type.slice(1)) : JSON.stringify;
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** NaN and infinities are no numbers in JSON. */
const number: JsonOf = (text) => (NUMBER.test(text) ? text : JSON.stringify(text));
/** A line feed is never part of a JSON string. */
const json: JsonOf = (text) => text.replaceAll(/[\r\n]/g, " ");
/** `T` for the blank, and minutes in the zone (EncodeDateTime with USE_XSD_DATES, utils/adt/datetime.c); infinities stay words. */
const timestamp: JsonOf = (text) => JSON.stringify(/^\d/.test(text) ? text.replace(" ", "T").replace(/([+-]\d\d)(?=$| BC$)/, "$1:00") : text);

const BY_TYPE: Readonly<Record<string, JsonOf>> = {
  bool: (text) => (text === "t" ? "true" : "false"),
  int2: number,
  int4: number,
  int8: number,
  float4: number,
  float8: number,
  numeric: number,
  json,
  jsonb: json,
  timestamp,
  timestamptz: timestamp,
};

/** `box` is the one type whose arrays are not parted by commas (`typdelim`). */
function arrayOf(element: string): JsonOf {
  const of = jsonOf(element);
  const delimiter = element === "box" ? ";" : ",";
  return (text) => {
    // Bounds that do not begin at 1: `[0:1]={…}`.
    const reader = new ArrayReader(text, text.indexOf("{"), delimiter, of);
    return reader.read();
  };
}

/** Reads what array_out writes (utils/adt/arrayfuncs.c). */
class ArrayReader {
  readonly #text: string;
  readonly #delimiter: string;
  readonly #of: JsonOf;
  #at: number;

  constructor(text: string, at: number, delimiter: string, of: JsonOf) {
    this.#text = text;
    this.#at = at;
    this.#delimiter = delimiter;
    this.#of = of;
  }

  /** From a brace to behind its end. */
  read(): string {
    const text = this.#text;
    const parts: string[] = [];
    this.#at++;
    while (text[this.#at] !== "}") {
      if (text[this.#at] === "{") parts.push(this.read());
      else if (text[this.#at] === '"') parts.push(this.#of(this.#quoted()));
      else {
        const start = this.#at;
        while (text[this.#at] !== this.#delimiter && text[this.#at] !== "}") this.#at++;
        const plain = text.slice(start, this.#at);
        parts.push(plain === "NULL" ? "null" : this.#of(plain));
      }
      if (text[this.#at] === this.#delimiter) this.#at++;
    }
    this.#at++;
    return `[${parts.join(",")}]`;
  }

  #quoted(): string {
    const text = this.#text;
    let value = "";
    for (this.#at++; text[this.#at] !== '"'; this.#at++) {
      if (text[this.#at] === "\\") this.#at++;
      value += text[this.#at]!;
    }
    this.#at++;
    return value;
  }
}

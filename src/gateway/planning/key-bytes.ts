import type { KeyType } from "../../config/types.js";

/** Of int8; a key outside of it is none. */
const LEAST = -(2n ** 63n);
const MOST = 2n ** 63n - 1n;

/** White space around an integer (isspace in the C locale, as pg_strtoint64_safe skips it, utils/adt/numutils.c). */
const INTEGER = /^[ \t\n\v\f\r]*([+-]?)(\d[\d_]*|0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+)[ \t\n\v\f\r]*$/;

/** Hyphens may follow each four digits, braces may be around (string_to_uuid, utils/adt/uuid.c). */
const UUID = /^(?:\{((?:[\da-f]{4}-?){7}[\da-f]{4})\}|((?:[\da-f]{4}-?){7}[\da-f]{4}))$/i;

/**
 * A sharding key in PostgreSQL's binary send format, from its text form, in whichever spelling the server's input
 * function takes; undefined where it takes none of the kind, so that the server would refuse it too.
 */
export function keyBytesOfText(dataType: KeyType, text: string): Buffer | undefined {
  switch (dataType) {
    case "bigint": {
      const [, sign, digits] = INTEGER.exec(text) ?? [];
      if (digits === undefined) return undefined;
      const plain = digits.replaceAll("_", "");
      // A leading zero is decimal to PostgreSQL, and to BigInt too.
      const magnitude = BigInt(plain);
      return bytesOfInteger(sign === "-" ? -magnitude : magnitude);
    }
    case "uuid": {
      const [, braced, plain] = UUID.exec(text) ?? [];
      const digits = braced ?? plain;
      return digits === undefined ? undefined : Buffer.from(digits.replaceAll("-", ""), "hex");
    }
    case "varchar":
      return Buffer.from(text, "utf8");
  }
}

/** int8's send format; undefined outside of its range. */
export function bytesOfInteger(value: bigint): Buffer | undefined {
  if (value < LEAST || value > MOST) return undefined;
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

/** A text key as a `varchar(n)` stores it: blanks beyond n characters are cut off (varchar_input, utils/adt/varchar.c). */
export function storedText(bytes: Buffer, maxLength: number): Buffer {
  // PostgreSQL counts code points.
  const characters = Array.from(bytes.toString("utf8"));
  if (characters.length <= maxLength || characters.slice(maxLength).some((character) => character !== " ")) return bytes;
  return Buffer.from(characters.slice(0, maxLength).join(""), "utf8");
}

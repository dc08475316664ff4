import { lowerCase } from "./like-pattern.js";
import type { ReadValue } from "./value-reader.js";

/** Types that are compared as text, bytewise. */
const TEXTS = new Set(["text", "varchar", "bpchar", "name", "citext"]);

export function isText(type: string): boolean {
  return TEXTS.has(type);
}

/** A value's bytes as its type compares them: bpchar without trailing blanks (`bpcharcmp`), citext in lower case. */
export function textReader(type: string): ReadValue<Buffer> {
  switch (type) {
    case "bpchar":
      return (buffer, offset, length) => withoutBlanks(buffer.subarray(offset, offset + length));
    case "citext":
      return (buffer, offset, length) => Buffer.from(lowerCase(buffer.toString("utf8", offset, offset + length)), "utf8");
    default:
      return (buffer, offset, length) => buffer.subarray(offset, offset + length);
  }
}

/** A literal's, beside a column of the type. */
export function textKey(type: string, text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  return textReader(type)(bytes, 0, bytes.length, true);
}

/** The sign of a value against a literal; no `Buffer` is made for it where the type's bytes are compared as they lie. */
export function signAgainst(type: string, literal: Buffer): ReadValue<number> {
  if (type === "bpchar" || type === "citext") {
    const read = textReader(type);
    return (...value) => read(...value).compare(literal);
  }
  return (buffer, offset, length) => {
    const common = Math.min(length, literal.length);
    for (let at = 0; at < common; at++) {
      const difference = buffer[offset + at]! - literal[at]!;
      if (difference !== 0) return difference;
    }
    return length - literal.length;
  };
}

/** As `signAgainst` for equality alone: 0 where they are equal. */
export function differenceFrom(type: string, literal: Buffer): ReadValue<number> {
  if (type === "bpchar" || type === "citext") return signAgainst(type, literal);
  return (buffer, offset, length) => {
    if (length !== literal.length) return 1;
    for (let at = 0; at < length; at++) if (buffer[offset + at] !== literal[at]) return 1;
    return 0;
  };
}

function withoutBlanks(value: Buffer): Buffer {
  let end = value.length;
  while (end > 0 && value[end - 1] === 0x20) end--;
  return value.subarray(0, end);
}

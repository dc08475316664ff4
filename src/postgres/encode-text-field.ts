import { BACKSLASH, LINE_FEED } from "./copy-text.js";

/** What the text COPY format writes behind a backslash for a byte; 0 where it stands for itself (CopyAttributeOutText, commands/copyto.c). */
const ESCAPES = new Uint8Array(256);
for (const [letter, byte] of Object.entries({ b: 8, f: 12, n: LINE_FEED, r: 13, t: 9, v: 11, "\\": BACKSLASH })) ESCAPES[byte] = letter.charCodeAt(0);

/** A value as a field of the text COPY format; NULL is `\N`, and no value. */
export function encodeTextField(value: Buffer): Buffer {
  let escapes = 0;
  for (const byte of value) if (ESCAPES[byte] !== 0) escapes++;
  if (escapes === 0) return value;
  const field = Buffer.allocUnsafe(value.length + escapes);
  let to = 0;
  for (const byte of value) {
    if (ESCAPES[byte] !== 0) {
      field[to++] = BACKSLASH;
      field[to++] = ESCAPES[byte]!;
    } else field[to++] = byte;
  }
  return field;
}

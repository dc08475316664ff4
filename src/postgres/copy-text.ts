/*
 * The text COPY format (PostgreSQL manual, "COPY", "Text Format"; CopyReadAttributesText in commands/copyfromparse.c): a
 * line for each row, fields between tabs, `\N` for NULL, backslash escapes. Only for encodings whose multi-byte
 * characters hold no ASCII bytes: sessions here speak UTF-8.
 */

export const LINE_FEED = 0x0a;
export const BACKSLASH = 0x5c;
const TAB = 0x09;
const CAPITAL_N = 0x4e;
const SMALL_X = 0x78;

/** The bytes that stand for others behind a backslash: b f n r t v. Any other stands for itself. */
const ESCAPED = Uint8Array.from({ length: 256 }, (_, byte) => byte);
for (const [letter, byte] of Object.entries({ b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 })) ESCAPED[letter.charCodeAt(0)] = byte;

/**
 * The offset of field `column` (from 0) of the row from `rowStart` to `rowEnd` (behind its line feed), or -1 where the row
 * has fewer fields.
 */
export function textFieldAt(buffer: Buffer, rowStart: number, rowEnd: number, column: number): number {
  let at = rowStart;
  for (let before = 0; before < column; before++) {
    at = textFieldEnd(buffer, at, rowEnd) + 1;
    if (at >= rowEnd) return -1;
  }
  return at;
}

/** The offset of the tab or line feed that ends the field at `start`. */
export function textFieldEnd(buffer: Buffer, start: number, rowEnd: number): number {
  let at = start;
  while (at < rowEnd - 1) {
    const byte = buffer[at]!;
    if (byte === TAB) return at;
    at += byte === BACKSLASH ? 2 : 1;
  }
  return rowEnd - 1;
}

/** Whether a field is NULL: exactly `\N`, before any unescaping. */
export function isTextNull(buffer: Buffer, start: number, end: number): boolean {
  return end - start === 2 && buffer[start] === BACKSLASH && buffer[start + 1] === CAPITAL_N;
}

/**
 * Writes the value of the field from `start` to `end` to the beginning of `into`, which must have room for as many bytes.
 * @returns the value's length
 */
export function unescapeTextField(buffer: Buffer, start: number, end: number, into: Buffer): number {
  let at = start;
  let length = 0;
  while (at < end) {
    let byte = buffer[at++]!;
    if (byte === BACKSLASH) {
      if (at === end) break; // nothing follows that it could escape
      byte = buffer[at++]!;
      if (isOctal(byte)) {
        let value = byte & 7;
        for (let digits = 1; digits < 3 && at < end && isOctal(buffer[at]!); digits++) value = value * 8 + (buffer[at++]! & 7);
        byte = value & 0xff;
      } else if (byte === SMALL_X && at < end && hexDigit(buffer[at]!) >= 0) {
        let value = hexDigit(buffer[at++]!);
        if (at < end && hexDigit(buffer[at]!) >= 0) value = value * 16 + hexDigit(buffer[at++]!);
        byte = value;
      } else byte = ESCAPED[byte]!;
    }
    into[length++] = byte;
  }
  return length;
}

function isOctal(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x37;
}

/** The value of a hexadecimal digit's character, or -1. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

import type { RowPositions } from "../../postgres/copy-row-positions.js";
import { BACKSLASH, LINE_FEED, unescapeTextField } from "../../postgres/copy-text.js";

/** How the rows of text or csv are written; each is one byte, as PostgreSQL demands. */
export interface LineFormat {
  readonly csv: boolean;
  readonly delimiter: number;
  readonly quote: number;
  readonly escape: number;
}

const CARRIAGE_RETURN = 0x0d;

/**
 * Finds the rows in what a client sends for COPY FROM STDIN (FORMAT text or csv), however it comes cut into pieces; as
 * CopyReadLineText (commands/copyfromparse.c) does. A row reaches from its first byte to behind its line's end, which is a
 * line feed, a carriage return or both, whichever the first line ends with.
 */
export class CopyLineScanner {
  readonly #format: LineFormat;
  /** What lines end with: the last byte, and whether a carriage return stands before. Undefined before the first end. */
  #lineEnd: number | undefined;
  /** So many bytes behind the last row have been looked at and hold no end. */
  #searched = 0;
  #quoted = false;
  #escaped = false;

  constructor(format: LineFormat) {
    this.#format = format;
  }

  /**
   * Appends the positions of the rows that lie whole in `buffer` from `start` to `end` to `rows`.
   * @returns the offset of the first byte not consumed. The bytes from there must come again, in front of the next.
   */
  scan(buffer: Buffer, start: number, end: number, rows: RowPositions): number {
    let row = start;
    let from = start + this.#searched;
    for (;;) {
      const behind = this.#endOfRow(buffer, from, end);
      if (behind < 0) {
        this.#searched = ~behind - row;
        return row;
      }
      rows.push(row, behind);
      row = behind;
      from = behind;
    }
  }

  /** The offset behind the row's end; else the complement of that up to which there is none. */
  #endOfRow(buffer: Buffer, from: number, end: number): number {
    const { csv, quote, escape } = this.#format;
    const lineEnd = this.#lineEnd;
    const ownEscape = csv && escape !== quote ? escape : -1;
    for (let at = from; at < end; at++) {
      const byte = buffer[at]!;
      if (csv) {
        if (this.#quoted && byte === ownEscape) this.#escaped = !this.#escaped;
        if (byte === quote && !this.#escaped) this.#quoted = !this.#quoted;
        if (byte !== ownEscape) this.#escaped = false;
        if (this.#quoted) continue;
      } else if (byte === BACKSLASH) {
        // It takes the next byte with it, whatever that is.
        if (at + 1 === end) return ~at;
        at++;
        continue;
      }
      if (lineEnd !== undefined ? byte === lineEnd : byte === LINE_FEED) {
        this.#lineEnd = byte;
        return at + 1;
      }
      if (lineEnd === undefined && byte === CARRIAGE_RETURN) {
        if (at + 1 === end) return ~at;
        if (buffer[at + 1] !== LINE_FEED) this.#lineEnd = CARRIAGE_RETURN;
        else {
          this.#lineEnd = LINE_FEED;
          at++;
        }
        return at + 1;
      }
    }
    return ~end;
  }
}

/** The bytes of a row without its line's end: a line feed, a carriage return, or both. */
export function withoutLineEnd(buffer: Buffer, start: number, end: number): number {
  let last = end;
  if (last > start && buffer[last - 1] === LINE_FEED) last--;
  if (last > start && buffer[last - 1] === CARRIAGE_RETURN) last--;
  return last;
}

export type LineField =
  /** The row has fewer fields. */
  | { readonly kind: "missing" }
  | { readonly kind: "null" }
  | { readonly kind: "value"; readonly bytes: Buffer };

const MISSING: LineField = { kind: "missing" };
const NULL_FIELD: LineField = { kind: "null" };

/**
 * Field `column` (from 0) of the row from `start` to `end` (without the line's end), unescaped; as CopyReadAttributesText
 * and CopyReadAttributesCSV (commands/copyfromparse.c) have it.
 * @param nullText what NULL looks like
 */
export function lineField(buffer: Buffer, start: number, end: number, column: number, format: LineFormat, nullText: Buffer): LineField {
  return format.csv ? csvField(buffer, start, end, column, format, nullText) : textField(buffer, start, end, column, format, nullText);
}

function textField(buffer: Buffer, start: number, end: number, column: number, { delimiter }: LineFormat, nullText: Buffer): LineField {
  let fieldStart = start;
  let at = start;
  for (let field = 0; ; field++) {
    while (at < end && buffer[at] !== delimiter) at += buffer[at] === BACKSLASH ? 2 : 1;
    const fieldEnd = Math.min(at, end);
    if (field === column) {
      const raw = buffer.subarray(fieldStart, fieldEnd);
      if (raw.equals(nullText)) return NULL_FIELD;
      if (!raw.includes(BACKSLASH)) return { kind: "value", bytes: raw };
      const unescaped = Buffer.allocUnsafe(raw.length);
      return { kind: "value", bytes: unescaped.subarray(0, unescapeTextField(buffer, fieldStart, fieldEnd, unescaped)) };
    }
    if (at >= end) return MISSING;
    at++;
    fieldStart = at;
  }
}

function csvField(buffer: Buffer, start: number, end: number, column: number, { delimiter, quote, escape }: LineFormat, nullText: Buffer): LineField {
  let at = start;
  for (let field = 0; ; field++) {
    const fieldStart = at;
    const wanted = field === column;
    const bytes: number[] = [];
    let sawQuote = false;
    let quoted = false;
    for (; at < end; at++) {
      const byte = buffer[at]!;
      if (quoted) {
        const next = at + 1 < end ? buffer[at + 1]! : -1;
        if (byte === escape && (next === escape || next === quote)) {
          if (wanted) bytes.push(next);
          at++;
        } else if (byte === quote) quoted = false;
        else if (wanted) bytes.push(byte);
      } else if (byte === delimiter) break;
      else if (byte === quote) {
        sawQuote = true;
        quoted = true;
      } else if (wanted) bytes.push(byte);
    }
    if (wanted) return !sawQuote && buffer.subarray(fieldStart, at).equals(nullText) ? NULL_FIELD : { kind: "value", bytes: Buffer.from(bytes) };
    if (at >= end) return MISSING;
    at++;
  }
}

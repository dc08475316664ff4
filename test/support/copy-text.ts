import { RowPositions } from "../../src/postgres/copy-row-positions.js";
import { isTextNull, textFieldAt, textFieldEnd, unescapeTextField } from "../../src/postgres/copy-text.js";
import { TextRowScanner } from "../../src/postgres/copy-text-scanner.js";

/** A value as a server writes it (CopyAttributeOutText, commands/copyto.c), null as `\N`. */
export function textField(value: Buffer | null): Buffer {
  if (value === null) return Buffer.from("\\N");
  const letters: Readonly<Record<string, string>> = { "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v" };
  return Buffer.from(value.toString("latin1").replace(/[\\\b\f\n\r\t\v]/g, (byte) => letters[byte]!), "latin1");
}

export function textRow(fields: readonly Buffer[]): Buffer {
  return Buffer.from(`${fields.map((field) => field.toString("latin1")).join("\t")}\n`, "latin1");
}

/** The rows of a text COPY, split and unescaped with regular expressions over the manual's words: slow and plain. */
export function readSlowly(file: Buffer): (Buffer | null)[][] {
  const rows = file.toString("latin1").match(/(?:\\[^]|[^\\\n])*\n/g) ?? [];
  return rows.map((row) => {
    const fields = [...`\t${row.slice(0, -1)}`.matchAll(/\t((?:\\[^]|[^\\\t])*)/g)].map((match) => match[1]!);
    return fields.map((field) => (field === "\\N" ? null : Buffer.from(unescapeSlowly(field), "latin1")));
  });
}

function unescapeSlowly(field: string): string {
  const letters: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
  return field.replace(/\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|[^])/g, (_, escaped: string) => {
    if (/^[0-7]/.test(escaped)) return String.fromCharCode(parseInt(escaped, 8) & 0xff);
    if (/^x./.test(escaped)) return String.fromCharCode(parseInt(escaped.slice(1), 16));
    return letters[escaped] ?? escaped;
  });
}

/** The rows of a text COPY that comes in pieces, read as a source does, carrying over tails. */
export function scanTextPieces(pieces: readonly Buffer[], table?: string): (Buffer | null)[][] {
  const scanner = new TextRowScanner(table === undefined ? {} : { table });
  const positions = new RowPositions(2);
  const rows: (Buffer | null)[][] = [];
  let tail = Buffer.alloc(0);
  for (const piece of pieces) {
    // Other bytes around the piece, line feeds among them: the scanner must keep to its part of the buffer.
    const buffer = Buffer.concat([Buffer.from("\n"), tail, piece, Buffer.from("\n\n")]);
    const end = buffer.length - 2;
    positions.clear();
    const consumed = scanner.scan(buffer, 1, end, positions);
    for (let index = 0; index < positions.count; index++) rows.push(fieldsOf(buffer, positions.starts[index]!, positions.ends[index]!));
    tail = Buffer.from(buffer.subarray(consumed, end));
  }
  scanner.finish();
  return rows;
}

function fieldsOf(buffer: Buffer, rowStart: number, rowEnd: number): (Buffer | null)[] {
  const fields: (Buffer | null)[] = [];
  for (let start = rowStart; start < rowEnd; ) {
    if (textFieldAt(buffer, rowStart, rowEnd, fields.length) !== start) throw new Error(`field ${fields.length} is not found at ${start}`);
    const end = textFieldEnd(buffer, start, rowEnd);
    // Room for as many bytes as the field has, and not one more.
    const value = Buffer.alloc(end - start);
    fields.push(isTextNull(buffer, start, end) ? null : value.subarray(0, unescapeTextField(buffer, start, end, value)));
    start = end + 1;
  }
  if (textFieldAt(buffer, rowStart, rowEnd, fields.length) !== -1) throw new Error("a field behind the last one is found");
  return fields;
}

import { fieldAt, fieldCount, fieldLength } from "../../src/postgres/copy-binary.js";
import { RowPositions } from "../../src/postgres/copy-row-positions.js";
import { TupleScanner } from "../../src/postgres/copy-tuple-scanner.js";

/** Cuts bytes in pieces at some offsets (modulo the length). */
export function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const offsets = [...new Set([0, ...at.map((offset) => offset % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return offsets.slice(1).map((end, index) => bytes.subarray(offsets[index], end));
}

/** The rows of a binary COPY that comes in pieces, every field copied; reads it as a source does, carrying over tails. */
export function scanPieces(pieces: readonly Buffer[]): (Buffer | null)[][] {
  const scanner = new TupleScanner();
  const positions = new RowPositions(2);
  const rows: (Buffer | null)[][] = [];
  let tail = Buffer.alloc(0);
  for (const piece of pieces) {
    // Other bytes around the piece: the scanner must keep to its part of the buffer.
    const buffer = Buffer.concat([Buffer.from([0xff]), tail, piece, Buffer.from([0, 0])]);
    const end = buffer.length - 2;
    positions.clear();
    const consumed = scanner.scan(buffer, 1, end, positions);
    for (let index = 0; index < positions.count; index += 1) rows.push(fieldsOf(buffer, positions.starts[index]!, positions.ends[index]!));
    tail = Buffer.from(buffer.subarray(consumed, end));
  }
  scanner.finish();
  return rows;
}

function fieldsOf(buffer: Buffer, start: number, end: number): (Buffer | null)[] {
  const fields: (Buffer | null)[] = [];
  for (let column = 0; column < fieldCount(buffer, start); column += 1) {
    const at = fieldAt(buffer, start, column);
    const length = fieldLength(buffer, at);
    fields.push(length < 0 ? null : Buffer.from(buffer.subarray(at + 4, at + 4 + length)));
  }
  const past = fieldAt(buffer, start, fields.length);
  if (past !== end) throw new Error(`the row's fields end at ${past}, the row at ${end}`);
  return fields;
}

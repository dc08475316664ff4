import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReshardError } from "../../src/errors.js";
import { RowPositions } from "../../src/postgres/copy-row-positions.js";
import { TextRowScanner } from "../../src/postgres/copy-text-scanner.js";
import { cut } from "../support/copy-pieces.js";
import { readSlowly, scanTextPieces, textField, textRow } from "../support/copy-text.js";

const cuts = fc.array(fc.nat(), { maxLength: 12 });
const value = fc.option(fc.oneof(fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes)), fc.string({ unit: fc.constantFrom("\\", "\n", "\t", "N", ".", "x", "7", "ü"), maxLength: 8 }).map((text) => Buffer.from(text))), { nil: null });
const rows = fc.array(fc.array(value, { minLength: 1, maxLength: 5 }), { maxLength: 12 });

/** A field as some writer may put it: every kind of escape, whether it was needed or not. */
const writtenField = fc
  .array(
    fc.oneof(
      fc.constantFrom("a", "N", "x", "0", "7", "8", "f", "F", "g", ".", "é", "\r", "\\N", "\\.", "\\\\", "\\\n", "\\\t", "\\x", "\\xg", "\\b", "\\f", "\\n", "\\r", "\\t", "\\v", "\\q", "\\é"),
      fc.nat(0o777).map((byte) => `\\${byte.toString(8)}`),
      fc.nat(255).map((byte) => `\\x${byte.toString(16)}`),
    ),
    { maxLength: 6 },
  )
  .map((parts) => Buffer.from(parts.join("")));
const writtenRow = fc.array(writtenField, { minLength: 1, maxLength: 4 }).map(textRow).filter((row) => row.toString("latin1") !== "\\.\n");

function fileOf(tuples: readonly (readonly (Buffer | null)[])[]): Buffer {
  return Buffer.concat(tuples.map((fields) => textRow(fields.map(textField))));
}

function expectMalformed(action: () => unknown, kind: "defect" | "retry", message: RegExp): void {
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ReshardError);
  expect(error).toMatchObject({ code: "COPY_MALFORMED", kind, message: expect.stringMatching(message) as unknown });
}

describe("TextRowScanner and unescapeTextField", () => {
  test("find what was written as servers write it, however it is cut", () => {
    fc.assert(
      fc.property(rows, cuts, (tuples, at) => {
        const file = fileOf(tuples);
        expect(readSlowly(file)).toEqual(tuples);
        expect(scanTextPieces(cut(file, at))).toEqual(tuples);
      }),
      { numRuns: 1000 },
    );
  });

  test("find what the plain reading finds, with escapes of every kind, however it is cut", () => {
    fc.assert(
      fc.property(fc.array(writtenRow, { maxLength: 8 }), cuts, (written, at) => {
        const file = Buffer.concat(written);
        expect(scanTextPieces(cut(file, at))).toEqual(readSlowly(file));
      }),
      { numRuns: 3000 },
    );
  });

  test("byte by byte, a message for each row, and empty pieces", () => {
    const tuples = [[Buffer.from("a\\"), null, Buffer.alloc(0)], [Buffer.alloc(0)], [Buffer.alloc(300, "\n"), null, null]];
    const file = fileOf(tuples);
    expect(scanTextPieces(cut(file, [...file.keys()]))).toEqual(tuples);
    expect(scanTextPieces(tuples.map((fields) => fileOf([fields])))).toEqual(tuples);
    expect(scanTextPieces([Buffer.alloc(0), file, Buffer.alloc(0)])).toEqual(tuples);
    expect(scanTextPieces([])).toEqual([]);
  });

  test.each([
    [String.raw`\b\f\n\r\t\v`, "\b\f\n\r\t\v"],
    [String.raw`\101\60x\7\378\400`, "A0x\x07\x1f8\x00"],
    [String.raw`\x41\x4g\xg\X41`, "A\x04gxgX41"],
    [String.raw`\\N\.\a\\`, "\\N.a\\"],
    [String.raw`\Nx`, "Nx"],
    [String.raw`x\N`, "xN"],
  ])("%s is read as the manual says", (field, expected) => {
    expect(scanTextPieces([Buffer.from(`${field}\n`)])).toEqual([[Buffer.from(expected, "latin1")]]);
  });

  test("rows keep their line feeds, so that rows laid together are a COPY again", () => {
    fc.assert(
      fc.property(fc.array(writtenRow, { maxLength: 8 }), (written) => {
        const file = Buffer.concat(written);
        const positions = new RowPositions();
        expect(new TextRowScanner().scan(file, 0, file.length, positions)).toBe(file.length);
        const found = Array.from({ length: positions.count }, (_, row) => file.subarray(positions.starts[row], positions.ends[row]));
        expect(found).toEqual(written);
      }),
    );
  });

  test("cut short within a row, the end of the stream is an error", () => {
    fc.assert(
      fc.property(rows, cuts, (tuples, at) => {
        const file = fileOf(tuples);
        const ends = new Set([0]);
        let end = 0;
        for (const fields of tuples) ends.add((end += fileOf([fields]).length));
        for (let length = 0; length < file.length; length++) {
          if (!ends.has(length)) expectMalformed(() => scanTextPieces(cut(file.subarray(0, length), at), "app.orders"), "retry", /^The copied rows of app\.orders end within a row, after row \d+\.$/);
        }
      }),
      { numRuns: 30 },
    );
  });

  test("the end mark of old clients is no row, and nothing may follow it", () => {
    const file = Buffer.from("1\n\\.\n");
    for (let at = 0; at < file.length; at++) expect(scanTextPieces(cut(file, [at]))).toEqual([[Buffer.from("1")]]);
    expectMalformed(() => scanTextPieces([Buffer.from("1\n\\.\n2\n")]), "defect", /^2 bytes follow the end mark, after row 1/);
    expectMalformed(() => scanTextPieces([Buffer.from("1\n\\.\n"), Buffer.from("2")]), "defect", /^1 bytes follow/);
    expect(scanTextPieces([Buffer.from("\\.\t\\.\n")])).toEqual([[Buffer.from("."), Buffer.from(".")]]);
  });

  test("any bytes give rows that lie inside the piece and end with a line feed, or COPY_MALFORMED", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const piece = Buffer.from(bytes);
        const positions = new RowPositions(1);
        const consumed = new TextRowScanner().scan(piece, 0, piece.length, positions);
        for (let row = 0; row < positions.count; row++) {
          expect(positions.ends[row]!).toBeLessThanOrEqual(consumed);
          expect(piece[positions.ends[row]! - 1]).toBe(0x0a);
        }
        expect(piece.includes(0x0a, consumed) && piece[piece.indexOf(0x0a, consumed) - 1] !== 0x5c).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});

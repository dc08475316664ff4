import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReshardError } from "../../src/errors.js";
import { encodeCopyHeader, encodeCopyTrailer, encodeTuple, fieldAt, fieldCount, fieldLength } from "../../src/postgres/copy-binary.js";
import { RowPositions } from "../../src/postgres/copy-row-positions.js";
import { TupleScanner } from "../../src/postgres/copy-tuple-scanner.js";
import { cut, scanPieces } from "../support/copy-pieces.js";

const field = fc.option(fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes)), { nil: null });
const row = fc.array(field, { maxLength: 7 });
const rows = fc.array(row, { maxLength: 12 });
const cuts = fc.array(fc.nat(), { maxLength: 12 });

function fileOf(tuples: readonly (readonly (Buffer | null)[])[]): Buffer {
  return Buffer.concat([encodeCopyHeader(), ...tuples.map(encodeTuple), encodeCopyTrailer()]);
}

function expectMalformed(action: () => unknown, kind = "defect"): void {
  let error: unknown;
  try {
    action();
  } catch (thrown) {
    error = thrown;
  }
  if (!(error instanceof ReshardError)) throw error instanceof Error ? error : new Error("nothing was thrown");
  expect([error.code, error.kind]).toEqual(["COPY_MALFORMED", kind]);
}

describe("the header", () => {
  test("is PostgreSQL's", () => {
    expect(encodeCopyHeader().toString("hex")).toBe("5047434f50590aff0d0a00" + "00000000" + "00000000");
    expect(encodeCopyTrailer().toString("hex")).toBe("ffff");
  });

  function headerWith(flags: number, extension: Buffer): Buffer {
    const words = Buffer.alloc(8);
    words.writeUInt32BE(flags, 0);
    words.writeInt32BE(extension.length, 4);
    return Buffer.concat([encodeCopyHeader().subarray(0, 11), words, extension]);
  }

  test("flags that matter to nobody and an extension are skipped, however cut", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.uint8Array({ maxLength: 40 }), rows, cuts, (flags, extension, tuples, at) => {
        const file = Buffer.concat([headerWith(flags, Buffer.from(extension)), fileOf(tuples).subarray(19)]);
        expect(scanPieces(cut(file, at))).toEqual(tuples);
      }),
    );
  });

  test("OIDs and other critical flags, a wrong signature, a negative extension are refused", () => {
    for (let bit = 16; bit < 32; bit += 1) expectMalformed(() => scanPieces([headerWith(2 ** bit, Buffer.alloc(0))]));
    const unsigned = fileOf([]);
    unsigned[4] = 0x51;
    expectMalformed(() => scanPieces([unsigned]));
    expectMalformed(() => scanPieces([Buffer.from("1\tone\n2\ttwo\n")]));
    const negative = fileOf([]);
    negative.writeInt32BE(-1, 15);
    expectMalformed(() => scanPieces([negative]));
  });
});

describe("TupleScanner", () => {
  test("finds what was encoded, however it is cut", () => {
    fc.assert(
      fc.property(rows, cuts, (tuples, at) => {
        expect(scanPieces(cut(fileOf(tuples), at))).toEqual(tuples);
      }),
      { numRuns: 1000 },
    );
  });

  test("byte by byte", () => {
    const tuples = [[Buffer.from("a"), null, Buffer.alloc(0)], [], [Buffer.alloc(300, 1), null, null]];
    const file = fileOf(tuples);
    expect(scanPieces(cut(file, [...file.keys()]))).toEqual(tuples);
  });

  test("never asks for more bytes than the next thing needs", () => {
    fc.assert(
      fc.property(rows, (tuples) => {
        const file = fileOf(tuples);
        const ends = new Set([19]);
        let end = 19;
        for (const tuple of tuples) ends.add((end += encodeTuple(tuple).length));
        ends.add(file.length);
        const scanner = new TupleScanner();
        const positions = new RowPositions();
        let start = 0;
        let available = 0;
        const steps: number[] = [];
        for (;;) {
          start = scanner.scan(file, start, available, positions);
          if (scanner.finished) break;
          // Nothing left over: the next row or the trailer is at least two bytes.
          available += scanner.missing === 0 ? 2 : scanner.missing;
          steps.push(available);
          expect(available).toBeLessThanOrEqual([...ends].find((end) => end > start) ?? -1);
        }
        expect(positions.count).toBe(tuples.length);
        expect(steps).toEqual([...new Set(steps)]);
      }),
    );
  });

  test("cut short anywhere, the end of the stream is an error", () => {
    fc.assert(
      fc.property(rows, cuts, (tuples, at) => {
        const file = fileOf(tuples);
        for (let length = 0; length < file.length; length += 1) expectMalformed(() => scanPieces(cut(file.subarray(0, length), at)), "retry");
      }),
      { numRuns: 50 },
    );
  });

  test("bytes after the trailer are an error, in the same piece and in the next", () => {
    expectMalformed(() => scanPieces([Buffer.concat([fileOf([]), Buffer.from([0])])]));
    expectMalformed(() => scanPieces([fileOf([]), Buffer.from([0])]));
    expect(scanPieces([fileOf([]), Buffer.alloc(0)])).toEqual([]);
  });

  test("impossible counts and lengths are errors", () => {
    const header = encodeCopyHeader();
    expectMalformed(() => scanPieces([Buffer.concat([header, Buffer.from("8000", "hex")])]));
    expectMalformed(() => scanPieces([Buffer.concat([header, Buffer.from("0001" + "fffffffe", "hex")])]));
    expectMalformed(() => scanPieces([Buffer.concat([header, Buffer.from("0001" + "80000000", "hex")])]));
  });

  test("a number of fields other than the table's is an error that names the table and the row", () => {
    const file = fileOf([[null, null], [null]]);
    const scanner = new TupleScanner({ columns: 2, table: "app.orders" });
    expect(() => scanner.scan(file, 0, file.length, new RowPositions())).toThrow("A row has 1 fields instead of 2, after row 1 of the copied rows of app.orders.");
    const fitting = new TupleScanner({ columns: 2 });
    expect(fitting.scan(file, 0, file.length - 8, new RowPositions())).toBe(file.length - 8);
    expect(fitting.rows).toBe(1);
  });

  test("any bytes give rows that lie inside the piece, or COPY_MALFORMED", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const piece = Buffer.concat([encodeCopyHeader(), Buffer.from(bytes)]);
        const positions = new RowPositions(1);
        try {
          const consumed = new TupleScanner().scan(piece, 0, piece.length, positions);
          expect(consumed).toBeLessThanOrEqual(piece.length);
          for (let index = 0; index < positions.count; index += 1) expect(positions.ends[index]!).toBeLessThanOrEqual(consumed);
        } catch (error) {
          expectMalformed(() => { throw error; });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("fieldAt", () => {
  test("finds each field of a row, wherever the row lies", () => {
    fc.assert(
      fc.property(row, fc.nat(10), (fields, before) => {
        const buffer = Buffer.concat([Buffer.alloc(before, 0xee), encodeTuple(fields)]);
        expect(fieldCount(buffer, before)).toBe(fields.length);
        fields.forEach((field, column) => {
          const at = fieldAt(buffer, before, column);
          expect(fieldLength(buffer, at)).toBe(field?.length ?? -1);
          if (field !== null) expect(buffer.subarray(at + 4, at + 4 + field.length)).toEqual(field);
        });
      }),
    );
  });
});

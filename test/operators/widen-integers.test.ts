import fc from "fast-check";
import { lastValueFrom, of } from "rxjs";
import { describe, expect, it } from "vitest";
import { widenIntegers } from "../../src/operators/widen-integers.js";
import { isWidening, writeWidened } from "../../src/postgres/widen-integer.js";
import type { RowBatch } from "../../src/row-batch.js";

type Kind = "int2" | "int4" | "bytes";
type Value = number | Buffer | null;

const bytesOf = (kind: Kind | "int8", value: Value): Buffer | null => {
  if (value === null || Buffer.isBuffer(value)) return value;
  const bytes = Buffer.alloc(kind === "int2" ? 2 : kind === "int4" ? 4 : 8);
  if (kind === "int2") bytes.writeInt16BE(value);
  else if (kind === "int4") bytes.writeInt32BE(value);
  else bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};

function tuple(fields: readonly (Buffer | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(fields.length);
  return Buffer.concat([
    count,
    ...fields.flatMap((field) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(field === null ? -1 : field.length);
      return field === null ? [length] : [length, field];
    }),
  ]);
}

/** The rows with bytes of nobody before and between them. */
function batchOf(rows: readonly Buffer[], gap: number): RowBatch {
  const starts: number[] = [];
  const ends: number[] = [];
  const pieces: Buffer[] = [];
  let at = 0;
  for (const row of rows) {
    pieces.push(Buffer.alloc(gap, 0xee), row);
    starts.push(at + gap);
    at += gap + row.length;
    ends.push(at);
  }
  return { sequence: 3, bytes: at, resume: 7n, buffer: Buffer.concat(pieces), count: rows.length, starts: Uint32Array.from([...starts, 99]), ends: Uint32Array.from([...ends, 99]) };
}

const int2 = fc.oneof(fc.integer({ min: -32768, max: 32767 }), fc.constantFrom(-32768, -1, 0, 1, 32767));
const int4 = fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.constantFrom(-(2 ** 31), -1, 0, 255, 2 ** 31 - 1));
const valueOf: Readonly<Record<Kind, fc.Arbitrary<Value>>> = {
  int2: fc.option(int2),
  int4: fc.option(int4),
  bytes: fc.option(fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes))),
};

/** Columns with the mark of those to widen, and rows of them. */
const table = fc.array(fc.tuple(fc.constantFrom<Kind>("int2", "int4", "bytes"), fc.boolean()), { minLength: 1, maxLength: 8 }).chain((columns) =>
  fc.tuple(fc.constant(columns.map(([kind, widen]) => ({ kind, widen: widen && kind !== "bytes" }))), fc.array(fc.tuple(...columns.map(([kind]) => valueOf[kind])), { maxLength: 30 })),
);

async function widen(batch: RowBatch, columns: readonly { readonly widen: boolean }[]): Promise<RowBatch> {
  const named = columns.map((_, index) => ({ name: `c${index}` }));
  return await lastValueFrom(of(batch).pipe(widenIntegers({ table: { columns: named }, columns: new Set(columns.flatMap((column, index) => (column.widen ? [`c${index}`] : []))) })));
}

describe("widenIntegers", () => {
  it("gives what the server would have sent of bigint columns", async () => {
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom(0, 5), async ([columns, rows], gap) => {
        const batch = batchOf(rows.map((row) => tuple(row.map((value, index) => bytesOf(columns[index]!.kind, value)))), gap);
        const out = await widen(batch, columns);
        const expected = rows.map((row) => tuple(row.map((value, index) => bytesOf(columns[index]!.widen ? "int8" : columns[index]!.kind, value))));
        expect({ sequence: out.sequence, resume: out.resume, count: out.count }).toEqual({ sequence: 3, resume: 7n, count: rows.length });
        expect(Array.from({ length: out.count }, (_, row) => out.buffer.subarray(out.starts[row], out.ends[row]).toString("hex"))).toEqual(expected.map((row) => row.toString("hex")));
        expect(out.bytes).toBeGreaterThanOrEqual(out.buffer.length);
        if (columns.every((column, index) => !column.widen || rows.every((row) => row[index] === null))) expect(out).toBe(batch);
      }),
      { numRuns: 500 },
    );
  });

  it("leaves values that are bigint already, and refuses what is no integer", async () => {
    const wide = [bytesOf("int8", -5), bytesOf("int4", -5)];
    const out = await widen(batchOf([tuple(wide)], 0), [{ widen: true }, { widen: true }]);
    expect(out.buffer.toString("hex")).toBe(tuple([wide[0]!, wide[0]!]).toString("hex"));
    await expect(widen(batchOf([tuple([Buffer.from("abc")])], 0), [{ widen: true }])).rejects.toThrow("an integer of 3 bytes came");
  });
});

describe("writeWidened", () => {
  it("extends the sign, wherever the bytes lie", () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(fc.constant("int2" as const), int2), fc.tuple(fc.constant("int4" as const), int4)), fc.nat(9), fc.nat(9), ([kind, value], from, to) => {
        const bytes = bytesOf(kind, value)!;
        const target = Buffer.alloc(to + 9, 0xaa);
        expect(writeWidened(target, to, Buffer.concat([Buffer.alloc(from, 0x55), bytes]), from, bytes.length)).toBe(to + 8);
        expect(target.readBigInt64BE(to)).toBe(BigInt(value));
        expect(target[to + 8]).toBe(0xaa);
      }),
    );
  });
});

describe("isWidening", () => {
  it("is from int2 and int4 to int8 only", () => {
    const oids = [16, 20, 21, 23, 25, 700, 1700];
    expect(oids.flatMap((from) => oids.filter((to) => isWidening(from, to)).map((to) => [from, to]))).toEqual([[21, 20], [23, 20]]);
  });
});

import fc from "fast-check";
import { from, lastValueFrom, toArray } from "rxjs";
import { describe, expect, test } from "vitest";
import { decodeTuples } from "../../src/operators/decode-tuples.js";
import { encodeTuple } from "../../src/postgres/copy-binary.js";
import type { CopyBatch, RowBatch } from "../../src/row-batch.js";
import { copiedRows, copyBatches, copyFile } from "../support/row-batches.js";
import { cut } from "../support/copy-pieces.js";

async function decode(batches: readonly CopyBatch[], columns = 3): Promise<RowBatch[]> {
  return await lastValueFrom(from(batches).pipe(decodeTuples({ columns, table: "orders" }), toArray()));
}

function tuples(batch: RowBatch): Buffer[] {
  return Array.from({ length: batch.count }, (_, row) => batch.buffer.subarray(batch.starts[row], batch.ends[row]));
}

const rows = [["1", "a"], ["2", null], ["3", "ccc"]].map((row) => row.map((field) => (field === null ? null : Buffer.from(field))));

describe("decodeTuples", () => {
  test("finds the same rows however the bytes are cut into pieces and batches", async () => {
    await fc.assert(
      fc.asyncProperty(copiedRows, fc.array(fc.nat(), { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 }), async (some, cuts, perBatch) => {
        const batches = copyBatches(cut(copyFile(some), cuts), perBatch, 77n);
        const decoded = await decode(batches);
        expect(decoded.flatMap(tuples)).toEqual(some.map(encodeTuple));
        // One batch out for each batch in, as it came; what it keeps in memory is what it says.
        expect(decoded.map(({ sequence, resume }) => ({ sequence, resume }))).toEqual(batches.map(({ sequence, resume }) => ({ sequence, resume })));
        for (const batch of decoded) expect(batch.bytes).toBe(batch.buffer.length);
      }),
      { numRuns: 300 },
    );
  });

  test("copies nothing where each piece is whole rows", async () => {
    const file = copyFile(rows);
    const [batch] = copyBatches([file.subarray(0, 19), ...rows.map(encodeTuple), file.subarray(-2)], [5], 1n);
    const [decoded] = await decode([batch!], 2);
    expect(decoded!.buffer).toBe(batch!.buffer);
    expect(decoded!.count).toBe(3);
  });

  test("an empty batch passes, a row cut over it goes on behind it", async () => {
    const file = copyFile(rows);
    const [first, second] = copyBatches([file.subarray(0, 25), file.subarray(25)], [1, 1], 5n);
    const empty: CopyBatch = { sequence: 1, bytes: 10, buffer: Buffer.alloc(10), count: 0, starts: new Uint32Array(0), ends: new Uint32Array(0) };
    const decoded = await decode([first!, empty, { ...second!, sequence: 2 }], 2);
    expect(decoded.map(({ sequence, count, resume }) => [sequence, count, resume])).toEqual([[0, 0, undefined], [1, 0, undefined], [2, 3, 5n]]);
  });

  test("a copy that ends without its end mark, or with other columns, fails", async () => {
    const file = copyFile(rows);
    await expect(decode(copyBatches([file.subarray(0, -2)], [1], 5n), 2)).rejects.toMatchObject({ code: "COPY_MALFORMED", kind: "retry", place: { table: "orders" } });
    await expect(decode(copyBatches([file.subarray(0, -5)], [1], 5n), 2)).rejects.toMatchObject({ code: "COPY_MALFORMED" });
    await expect(decode(copyBatches([file], [1], 5n), 3)).rejects.toMatchObject({ code: "COPY_MALFORMED", kind: "defect" });
  });

  test("a second subscription starts anew", async () => {
    const batches = copyBatches([copyFile(rows)], [1], 5n);
    const decoded$ = from(batches).pipe(decodeTuples({ columns: 2 }));
    expect((await lastValueFrom(decoded$)).count).toBe(3);
    expect((await lastValueFrom(decoded$)).count).toBe(3);
  });
});

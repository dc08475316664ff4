import fc from "fast-check";
import { encodeCopyHeader, encodeCopyTrailer, encodeTuple } from "../../src/postgres/copy-binary.js";
import type { Lsn } from "../../src/postgres/lsn.js";
import type { CopyBatch } from "../../src/row-batch.js";

/** Rows of a COPY as lists of fields. */
export const copiedRows: fc.Arbitrary<(Buffer | null)[][]> = fc.array(
  fc.array(fc.option(fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes))), { minLength: 3, maxLength: 3 }),
  { maxLength: 40, size: "max" },
);

export function copyFile(rows: readonly (Buffer | null)[][]): Buffer {
  return Buffer.concat([encodeCopyHeader(), ...rows.map(encodeTuple), encodeCopyTrailer()]);
}

/** Pieces of a file as a source sends them: `perBatch[i]` pieces in batch `i`, with other bytes around each. The last batch ends the copy. */
export function copyBatches(pieces: readonly Buffer[], perBatch: readonly number[], resume: Lsn): CopyBatch[] {
  const batches: CopyBatch[] = [];
  let next = 0;
  do {
    const own = pieces.slice(next, next + (perBatch[batches.length] ?? pieces.length));
    next += own.length;
    const starts = new Uint32Array(own.length);
    const ends = new Uint32Array(own.length);
    const parts: Buffer[] = [];
    let end = 0;
    own.forEach((piece, index) => {
      parts.push(Buffer.alloc(5, 0xee), piece);
      starts[index] = end + 5;
      end += 5 + piece.length;
      ends[index] = end;
    });
    const buffer = Buffer.concat([...parts, Buffer.alloc(3, 0xee)]);
    batches.push({ sequence: batches.length, bytes: buffer.length, ...(next >= pieces.length ? { resume } : {}), buffer, count: own.length, starts, ends });
  } while (next < pieces.length);
  return batches;
}

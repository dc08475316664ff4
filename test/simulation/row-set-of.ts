import type { RowSet } from "../../src/apply-step.js";
import type { PgoutputRelation } from "../../src/postgres/pgoutput-message.js";
import type { Row } from "../support/changes.js";

/** Whole rows as a set. */
export function rowSetOf(relation: PgoutputRelation, rows: readonly Row[]): RowSet {
  const pieces: Buffer[] = [];
  const offsets: number[] = [];
  let end = 0;
  for (const value of rows.flat()) {
    const bytes = value === null ? Buffer.from("n") : Buffer.concat([Buffer.from("b"), lengthOf(value), Buffer.from(value)]);
    offsets.push(end);
    end += bytes.length;
    pieces.push(bytes);
  }
  return { relation, buffer: Buffer.concat(pieces), count: rows.length, offsets: Int32Array.from(offsets) };
}

function lengthOf(value: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(Buffer.byteLength(value));
  return length;
}

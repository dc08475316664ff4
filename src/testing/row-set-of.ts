import type { RowSet } from "../apply-step.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { bytesOf, type TestRow } from "./test-rows.js";
import type { TestTable } from "./test-table.js";

/** Whole rows as a set. */
export function rowSetOf(table: Pick<TestTable, "columns">, relation: PgoutputRelation, rows: readonly TestRow[], format: ValueFormat = "binary"): RowSet {
  const pieces: Buffer[] = [];
  const offsets: number[] = [];
  let end = 0;
  for (const row of rows) {
    row.forEach((text, place) => {
      const value = text === null ? null : bytesOf(table.columns[place]!, text, format);
      const bytes = value === null ? Buffer.from("n") : Buffer.concat([Buffer.from(format === "text" ? "t" : "b"), lengthOf(value), value]);
      offsets.push(end);
      end += bytes.length;
      pieces.push(bytes);
    });
  }
  return { relation, buffer: Buffer.concat(pieces), count: rows.length, offsets: Int32Array.from(offsets) };
}

function lengthOf(value: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(value.length);
  return length;
}

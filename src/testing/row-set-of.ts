import type { RowSet } from "../apply-step.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { sent } from "./change-batches.js";
import { encodeTupleColumn } from "./encode-pgoutput.js";
import type { TestRow } from "./test-rows.js";
import type { TestTable } from "./test-table.js";

/** Whole rows as a set. */
export function rowSetOf(table: Pick<TestTable, "columns">, relation: PgoutputRelation, rows: readonly TestRow[], format: ValueFormat = "binary"): RowSet {
  const pieces: Buffer[] = [];
  const offsets: number[] = [];
  let end = 0;
  for (const row of rows) {
    row.forEach((text, place) => {
      const bytes = encodeTupleColumn(sent(table.columns[place]!, text, format));
      offsets.push(end);
      end += bytes.length;
      pieces.push(bytes);
    });
  }
  return { relation, buffer: Buffer.concat(pieces), count: rows.length, offsets: Int32Array.from(offsets) };
}

import type { RowSet } from "../apply-step.js";
import { canBeCopied, writtenColumns } from "./apply-statements.js";
import { encodeCopyRows } from "./copy-rows.js";
import { encodeRowArray } from "./row-array.js";
import type { TargetTable } from "./target-table.js";

/** Fewer new rows than these go by a prepared statement, which begins sooner. */
const COPY_ROWS = 16;

/** Rows as they are sent to a shard, each set encoded once: ahead of when it is sent, or then. */
export class EncodedRows {
  readonly #arrays = new WeakMap<RowSet, Buffer>();
  readonly #copyData = new WeakMap<RowSet, Buffer>();

  /** For a statement, as its parameter. */
  array(target: TargetTable, rows: RowSet): Buffer {
    return cached(this.#arrays, rows, () => encodeRowArray(rows, target.rowType));
  }

  /** For COPY. */
  copyData(target: TargetTable, rows: RowSet): Buffer {
    return cached(this.#copyData, rows, () => encodeCopyRows(rows, target.rowType, writtenColumns(target)));
  }
}

/** Whether new rows are to be brought by COPY. */
export function copies(target: TargetTable, rows: RowSet): boolean {
  return rows.count >= COPY_ROWS && canBeCopied(target);
}

function cached(values: WeakMap<RowSet, Buffer>, rows: RowSet, encode: () => Buffer): Buffer {
  let value = values.get(rows);
  if (value === undefined) {
    value = encode();
    values.set(rows, value);
  }
  return value;
}

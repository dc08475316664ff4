import { map } from "rxjs";
import { z } from "zod";
import { defineOperator } from "../table-operator.js";
import type { TableBatch } from "../../table-batch.js";

const options = z.strictObject({});

/**
 * Counts the rows that pass and the bytes of their values; the rows stay as they are.
 *
 * Of changes it counts the rows before and after each; not the keys of deleted rows.
 *
 * ```
 * in   [1 'ana'][2 NULL]
 * out  [1 'ana'][2 NULL]        rows 2, bytes 11
 * ```
 *
 * @example
 * ```toml
 * [operators.after_filter]
 * type = "tap"
 * ```
 */
export const tapOperator = defineOperator({
  name: "tap",
  options,
  create(_options, context) {
    return {
      writes: [],
      drops: false,
      operator: map((batch: TableBatch) => {
        let bytes = 0;
        for (const { name } of context.table.columns) {
          const column = batch.column(name);
          const { spans } = column;
          for (let row = 0; row < batch.count; row++) bytes += Math.max(0, spans === undefined ? (column.bytes(row)?.length ?? 0) : spans.length(row));
        }
        if (batch.count > 0) {
          context.count("rows", batch.count);
          context.count("bytes", bytes);
        }
        return batch;
      }),
    };
  },
});

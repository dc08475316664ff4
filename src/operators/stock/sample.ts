import { map } from "rxjs";
import { z } from "zod";
import { displayName } from "../../postgres/identifiers.js";
import type { TableBatch } from "../../table-batch.js";
import { OperatorOptionError } from "../operator-option-error.js";
import { defineOperator, keyColumns } from "../table-operator.js";
import { nameOption, numberOption } from "./option-schemas.js";
import { sampleHash } from "./sample-hash.js";

const options = z.strictObject({
  fraction: numberOption((value) => value > 0 && value <= 1, "a fraction above 0, up to 1").describe("How much of the rows is kept, such as 0.1."),
  by: nameOption("a column's name").optional().describe("The column whose values are drawn, in place of the key: rows with the same value stay together, in all tables. A table without it is left as it is."),
});

const TWO_TO_32 = 2 ** 32;

/**
 * Keeps a fraction of the rows, always the same ones: which, a hash of the key decides.
 *
 * With `by` whole families of rows are kept, such as users with their orders: give the same fraction for `id` of
 * the one table and `user_id` of the other.
 *
 * ```
 * fraction = 0.5
 * in   [1][2][3][4][5][6]
 * out  [2][3][6]
 * ```
 *
 * @example
 * ```toml
 * [operators.tenth]
 * type = "sample"
 * fraction = 0.1
 * by = "user_id"
 * ```
 */
export const sampleOperator = defineOperator({
  name: "sample",
  options,
  columns: ({ by }) => (by === undefined ? [] : [by]),
  create({ fraction, by }, { table }) {
    const columns = by === undefined ? keyColumns(table) : table.columns.filter(({ name }) => name === by);
    if (columns.length === 0) {
      if (by !== undefined) return undefined;
      throw new OperatorOptionError(`${displayName(table)} has no key to draw its rows by.`, { option: ["fraction"] }, "Name a column with by, or leave the table out with tables.");
    }
    const below = fraction * TWO_TO_32;
    return {
      writes: [],
      drops: true,
      operator: map((batch: TableBatch) => {
        const hash = sampleHash(columns.map(({ name, type }) => ({ column: batch.column(name), type })));
        return batch.filter((row) => hash(row) < below);
      }),
    };
  },
});

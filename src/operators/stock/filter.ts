import { map } from "rxjs";
import { z } from "zod";
import type { TableBatch } from "../../table-batch.js";
import { compileExpression, expressionColumns, TRUE } from "../expression/compile-expression.js";
import { ExpressionError } from "../expression/expression-error.js";
import { OperatorOptionError } from "../operator-option-error.js";
import { defineOperator } from "../table-operator.js";

const EXPECTED = "a condition, such as \"tenant = 'acme' AND age >= 18\"";

const options = z.strictObject({
  where: z.string({ error: EXPECTED }).superRefine((text, context) => {
    try {
      expressionColumns(text);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      context.addIssue({ code: "custom", message: `${EXPECTED}: ${error.message}`, params: { offset: error.offset } });
    }
  }).describe("Rows for which it is true are kept: columns, numbers, 'strings', TRUE, FALSE, NULL; = <> < <= > >=, IN, BETWEEN, LIKE, ILIKE, IS NULL; AND, OR, NOT and parentheses. It means what it means in SQL, text being compared bytewise (collation \"C\")."),
});

/**
 * Keeps the rows for which a condition is true.
 *
 * A table that has none of the condition's columns is left as it is. A row whose update makes the condition true is
 * inserted, one whose update makes it false is deleted.
 *
 * ```
 * where = "age >= 18"
 * in   [1 'ana' 31][2 'bo' 9][3 'cy' NULL]
 * out  [1 'ana' 31]
 * ```
 *
 * @example
 * ```toml
 * [operators.one_tenant]
 * type = "filter"
 * where = "tenant = 'acme' AND state NOT IN ('draft', 'void')"
 * ```
 */
export const filterOperator = defineOperator({
  name: "filter",
  options,
  columns: ({ where }) => expressionColumns(where),
  create({ where }, { table }) {
    const named = expressionColumns(where);
    if (named.length > 0 && !named.some((name) => table.columns.some((column) => column.name === name))) return undefined;
    const condition = compiled(where, () => compileExpression(where, table));
    return {
      writes: [],
      drops: true,
      operator: map((batch: TableBatch) => {
        const truth = condition(batch);
        return batch.filter((row) => truth(row) === TRUE);
      }),
    };
  },
});

function compiled<T>(where: string, compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new OperatorOptionError(`where: ${error.message}`, { option: ["where"], offset: error.offset }, `Correct the condition ${JSON.stringify(where)}, or name with tables the tables that it is for.`);
  }
}

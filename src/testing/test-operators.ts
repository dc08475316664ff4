import { ReshardError } from "../errors.js";
import { operatorChain, type NamedOperator, type OperatorChain } from "../operators/operator-chain.js";
import type { OperatorDefinition, TableOperator } from "../operators/table-operator.js";
import type { TableShape } from "../table-batch.js";
import { shapeOf, type TestTable } from "./test-table.js";

/** An operator as a pipeline file would name it, or one made for a table. */
export type TestOperator = { readonly definition: OperatorDefinition; readonly options?: unknown } | ((table: TableShape) => TableOperator | undefined);

/**
 * What a table's rows pass; undefined where no operator is for it.
 *
 * @throws ReshardError OPERATOR_OPTIONS
 */
export function chainOf(table: TestTable, operators: readonly TestOperator[]): OperatorChain | undefined {
  let shape = shapeOf(table);
  const named = operators.flatMap((operator): NamedOperator[] => {
    const made = make(operator, shape);
    if (made === undefined) return [];
    shape = made.operator.table ?? shape;
    return [made];
  });
  return named.length === 0 ? undefined : operatorChain(shapeOf(table), named);
}

function make(operator: TestOperator, table: TableShape): NamedOperator | undefined {
  if (typeof operator === "function") {
    const made = operator(table);
    return made && { name: operator.name === "" ? "operator" : operator.name, operator: made };
  }
  const { definition, options = {} } = operator;
  const checked = definition.options.safeParse(options);
  if (!checked.success) {
    const issues = checked.error.issues.map(({ path, message }) => `${path.length === 0 ? "" : `${path.join(".")}: `}${message}`);
    throw new ReshardError("OPERATOR_OPTIONS", `Operator "${definition.name}" does not take these options: ${issues.join("; ")}.`, { remedy: "Correct the options that the test gives it." });
  }
  const made = definition.create(checked.data, { name: definition.name, table, note: ignore, count: ignore });
  return made && { name: definition.name, operator: typeof made === "function" ? { operator: made } : made };
}

function ignore(): void {
  // Nobody listens.
}

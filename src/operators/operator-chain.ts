import type { TableShape } from "../table-batch.js";
import type { OperatorSharding, TableOperator } from "./table-operator.js";

/** An operator as a pipeline file names it, made for one table. */
export interface NamedOperator {
  readonly name: string;
  readonly operator: TableOperator;
}

/** All that happens to one table. */
export interface OperatorChain {
  /** As it comes, and as it is afterwards. */
  readonly input: TableShape;
  readonly output: TableShape;
  readonly operators: readonly NamedOperator[];
  /** Rows may be left out. */
  readonly drops: boolean;
  /** The last rule that an operator gave. */
  readonly sharding: OperatorSharding | undefined;
}

/** @param operators made each for the table as the one before leaves it */
export function operatorChain(input: TableShape, operators: readonly NamedOperator[]): OperatorChain {
  let output = input;
  let drops = false;
  let sharding: OperatorSharding | undefined;
  for (const { operator } of operators) {
    const before = output;
    output = operator.table ?? output;
    drops ||= operator.drops !== false;
    sharding = operator.sharding ?? (sharding && renamed(sharding, before, output));
  }
  return { input, output, operators, drops, sharding };
}

/** A rule behind an operator that gives columns other names; they keep their places. */
function renamed(sharding: OperatorSharding, before: TableShape, after: TableShape): OperatorSharding {
  if (sharding.kind !== "key" || before === after) return sharding;
  const place = before.columns.findIndex(({ name }) => name === sharding.column);
  return { ...sharding, column: after.columns[place]?.name ?? sharding.column };
}

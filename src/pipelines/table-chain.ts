import type { Place } from "../config/configuration-error.js";
import { ReshardError } from "../errors.js";
import { type NamedOperator, operatorChain, type OperatorChain } from "../operators/operator-chain.js";
import { OperatorOptionError } from "../operators/operator-option-error.js";
import type { TableOperator } from "../operators/table-operator.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import type { TableShape } from "../table-batch.js";
import type { LoadedOperator } from "./load-operators.js";

/** What operators tell while they are made and at work. */
export interface OperatorListener {
  note(message: string): void;
  count(operator: string, figure: string, by: number): void;
}

/** A table, and the partitioned table that it is a partition of: patterns may name either. */
export interface RootedTable {
  readonly root?: TableName;
}

/**
 * What a table's rows pass; undefined where no operator is for it.
 *
 * @param table - as it comes from the source
 * @param meets - told what the table is like where it comes to an operator
 * @throws ReshardError as the operators do, or OPERATOR_FAILED, where one cannot be made for the table
 */
export function chainFor(loaded: readonly LoadedOperator[], table: TableShape & RootedTable, listener: OperatorListener, meets: (operator: LoadedOperator, table: TableShape) => void = () => undefined): OperatorChain | undefined {
  const input: TableShape = { schema: table.schema, name: table.name, columns: table.columns };
  const operators: NamedOperator[] = [];
  let shape: TableShape = input;
  for (const each of loaded) {
    if (!isFor(each, table)) continue;
    meets(each, shape);
    const operator = made(each, shape, listener);
    if (operator === undefined) continue;
    operators.push({ name: each.name, operator });
    shape = operator.table ?? shape;
  }
  return operators.length === 0 ? undefined : operatorChain(input, operators);
}

function isFor({ tables }: LoadedOperator, table: TableName & RootedTable): boolean {
  return tables === undefined || tables.some((pattern) => matchesTable(pattern, table));
}

/** Whether a pattern is a table's: `table` in any schema, `schema.table`, `schema.*`. */
export function matchesTable(pattern: string, { schema, name, root }: TableName & RootedTable): boolean {
  if (pattern === name || pattern === `${schema}.${name}` || pattern === `${schema}.*`) return true;
  return root !== undefined && matchesTable(pattern, { schema: root.schema, name: root.name });
}

/** Where in the pipeline file an option is that does not fit. */
function optionPlace({ places, place }: LoadedOperator["entry"], { option }: OperatorOptionError): Place {
  return places[option.join(".")] ?? place;
}

function made({ name, definition, options, entry }: LoadedOperator, table: TableShape, listener: OperatorListener): TableOperator | undefined {
  try {
    const operator = definition.create(options, {
      name,
      table,
      note: (message) => { listener.note(`Operator "${name}": ${message}`); },
      count: (figure, by) => { listener.count(name, figure, by); },
    });
    return typeof operator === "function" ? { operator } : operator;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const known = error instanceof ReshardError ? error : undefined;
    throw new ReshardError(known?.code ?? "OPERATOR_FAILED", `Operator "${name}" cannot be made for ${displayName(table)}: ${message}`, {
      remedy: known?.remedy ?? "Correct the operator's create, or name the tables that it is for (tables).",
      place: { table: displayName(table), ...known?.place, ...(error instanceof OperatorOptionError ? optionPlace(entry, error) : {}) },
      cause: error,
    });
  }
}

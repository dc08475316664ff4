import { didYouMean } from "../config/did-you-mean.js";
import { ReshardError } from "../errors.js";
import { type NamedOperator, operatorChain, type OperatorChain } from "../operators/operator-chain.js";
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
 * @throws ReshardError as the operators do, or OPERATOR_FAILED, where one cannot be made for the table
 */
export function chainFor(loaded: readonly LoadedOperator[], table: TableShape & RootedTable, listener: OperatorListener): OperatorChain | undefined {
  const input: TableShape = { schema: table.schema, name: table.name, columns: table.columns };
  const operators: NamedOperator[] = [];
  let shape: TableShape = input;
  for (const each of loaded) {
    if (!isFor(each, table)) continue;
    const operator = made(each, shape, listener);
    if (operator === undefined) continue;
    operators.push({ name: each.name, operator });
    shape = operator.table ?? shape;
  }
  return operators.length === 0 ? undefined : operatorChain(input, operators);
}

/**
 * A table that an operator names and that is not there is most often misspelt: its rows would be left as they are.
 *
 * @throws ReshardError OPERATOR_TABLE_UNKNOWN
 */
export function checkOperatorTables(loaded: readonly LoadedOperator[], tables: readonly (TableName & RootedTable)[]): void {
  for (const { name, tables: patterns = [], entry } of loaded) {
    for (const [index, pattern] of patterns.entries()) {
      if (tables.some((table) => matches(pattern, table))) continue;
      const names = new Set(tables.flatMap((table) => [displayName(table), `${table.schema}.${table.name}`]));
      const meant = didYouMean(pattern, names);
      throw new ReshardError("OPERATOR_TABLE_UNKNOWN", `Operator "${name}" is for "${pattern}", and no such table is moved.`, {
        place: entry.places[`tables.${index}`] ?? entry.place,
        remedy: `${meant === undefined ? "Name a published table" : `Did you mean "${meant}"? Name a published table`} as "table", "schema.table" or "schema.*"; or leave the name out of "tables".`,
      });
    }
  }
}

function isFor({ tables }: LoadedOperator, table: TableName & RootedTable): boolean {
  return tables === undefined || tables.some((pattern) => matches(pattern, table));
}

/** `table` in any schema, `schema.table`, `schema.*`. */
function matches(pattern: string, { schema, name, root }: TableName & RootedTable): boolean {
  if (pattern === name || pattern === `${schema}.${name}` || pattern === `${schema}.*`) return true;
  return root !== undefined && matches(pattern, { schema: root.schema, name: root.name });
}

function made({ name, definition, options }: LoadedOperator, table: TableShape, listener: OperatorListener): TableOperator | undefined {
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
      place: { table: displayName(table), ...known?.place },
      cause: error,
    });
  }
}

import { didYouMean } from "../config/did-you-mean.js";
import { ReshardError } from "../errors.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import type { TableShape } from "../table-batch.js";
import type { LoadedOperator } from "./load-operators.js";
import { chainFor, matchesTable, type OperatorListener, type RootedTable } from "./table-chain.js";

/**
 * A table that an operator names and that is not there is most often misspelt: its rows would be left as they are.
 *
 * @throws ReshardError OPERATOR_TABLE_UNKNOWN
 */
export function checkOperatorTables(loaded: readonly LoadedOperator[], tables: readonly (TableName & RootedTable)[]): void {
  for (const { name, tables: patterns = [], entry } of loaded) {
    for (const [index, pattern] of patterns.entries()) {
      if (tables.some((table) => matchesTable(pattern, table))) continue;
      const names = new Set(tables.flatMap((table) => [displayName(table), `${table.schema}.${table.name}`]));
      const meant = didYouMean(pattern, names);
      throw new ReshardError("OPERATOR_TABLE_UNKNOWN", `Operator "${name}" is for "${pattern}", and no such table is moved.`, {
        place: entry.places[`tables.${index}`] ?? entry.place,
        remedy: `${meant === undefined ? "Name a published table" : `Did you mean "${meant}"? Name a published table`} as "table", "schema.table" or "schema.*"; or leave the name out of "tables".`,
      });
    }
  }
}

/**
 * A column that options name and no table has is most often misspelt: it would be left as it is.
 *
 * @throws ReshardError OPERATOR_COLUMN_MISSING
 */
export function checkOperatorColumns(loaded: readonly LoadedOperator[], tables: readonly (TableShape & RootedTable)[]): void {
  const met = new Map<LoadedOperator, Set<string>>(loaded.map((operator) => [operator, new Set()]));
  const silent: OperatorListener = { note: () => undefined, count: () => undefined };
  for (const table of tables) chainFor(loaded, table, silent, (operator, { columns }) => { for (const { name } of columns) met.get(operator)!.add(name); });
  for (const [{ name, definition, options, entry }, columns] of met) {
    const missing = definition.columns?.(options).find((column) => !columns.has(column));
    if (missing === undefined) continue;
    const meant = didYouMean(missing, columns);
    throw new ReshardError("OPERATOR_COLUMN_MISSING", `Operator "${name}" names the column "${missing}", which none of its tables has.`, {
      place: entry.places[`columns.${missing}`] ?? entry.place,
      remedy: meant === undefined ? "Correct the name, or the tables that the operator is for." : `Did you mean "${meant}"?`,
    });
  }
}

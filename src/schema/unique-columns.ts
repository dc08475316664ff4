import { type TableName, tableId } from "../postgres/identifiers.js";
import type { PlannedStatement } from "./schema-plan.js";
import { as, nameParts, parseStatement } from "./syntax-tree.js";

/** The columns of a unique index or constraint, as far as they are columns; undefined of what is not unique. */
export function uniqueColumns({ kind, sql }: PlannedStatement): string[] | undefined {
  if (kind === "primary key" || kind === "unique constraint") {
    for (const command of as(parseStatement(sql), "AlterTableStmt")?.cmds ?? []) {
      const constraint = as(as(command, "AlterTableCmd")?.def, "Constraint");
      if (constraint?.contype === "CONSTR_PRIMARY" || constraint?.contype === "CONSTR_UNIQUE") return [...nameParts(constraint.keys)];
    }
    return undefined;
  }
  if (kind !== "index") return undefined;
  const index = as(parseStatement(sql), "IndexStmt");
  return index?.unique === true ? (index.indexParams ?? []).flatMap((param) => as(param, "IndexElem")?.name ?? []) : undefined;
}

/** The columns of a table's keys, those that the statements build. */
export function uniqueKeysOf(statements: readonly PlannedStatement[], table: TableName): string[][] {
  return statements.flatMap((statement) => {
    const columns = statement.table !== undefined && tableId(statement.table) === tableId(table) ? uniqueColumns(statement) : undefined;
    return columns === undefined || columns.length === 0 ? [] : [columns];
  });
}

import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { insertedColumns } from "./insert-keys.js";
import { type CatalogColumn, columnOf, type Relation } from "./sharded-catalog.js";

/** Whether an INSERT leaves a column to a default of which each shard has its own value (sequences, `now()`). */
export function drawsOwnValues(insert: Fields<"InsertStmt">, relation: Relation): boolean {
  const given = insertedColumns(insert, relation);
  const source = as(insert.selectStmt, "SelectStmt");
  const width = source?.valuesLists === undefined ? source?.targetList?.length : as(source.valuesLists[0], "List")?.items?.length;
  // Without a list of columns, those that no value comes for are left to their defaults. A star's width is not looked at.
  const named = insert.selectStmt === undefined ? [] : (insert.cols ?? []).length > 0 ? given : given.slice(0, hasStar(source) ? 0 : (width ?? 0));
  if (relation.columns.some((column) => isOwn(column) && !named.includes(column.name))) return true;
  const rows = (source?.valuesLists ?? []).map((row) => as(row, "List")?.items ?? []);
  const left = rows.some((row) => row.some((value, place) => as(value, "SetToDefault") !== undefined && isOwnColumn(relation, given[place])));
  return left || setsOwnValues(insert.onConflictClause?.targetList, relation);
}

/** Whether a SET list sets a column to such a default. */
export function setsOwnValues(targets: readonly Node[] | undefined, relation: Relation): boolean {
  return (targets ?? []).some((node) => {
    const assignment = as(node, "ResTarget");
    const several = as(assignment?.val, "MultiAssignRef");
    const value = several === undefined ? assignment?.val : as(several.source, "RowExpr")?.args?.[(several.colno ?? 1) - 1];
    return as(value, "SetToDefault") !== undefined && isOwnColumn(relation, assignment?.name);
  });
}

function isOwnColumn(relation: Relation, name: string | undefined): boolean {
  const column = columnOf(relation, name ?? "");
  return column !== undefined && isOwn(column);
}

function isOwn(column: CatalogColumn): boolean {
  return column.identity !== undefined || column.default.kind === "volatile" || column.default.kind === "own-key";
}

function hasStar(select: Fields<"SelectStmt"> | undefined): boolean {
  return (select?.targetList ?? []).some((node) => as(as(as(node, "ResTarget")?.val, "ColumnRef")?.fields?.at(-1), "A_Star") !== undefined);
}

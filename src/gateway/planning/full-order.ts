import { as, type Fields } from "../../schema/syntax-tree.js";
import { plainColumn } from "./conjuncts.js";
import { expressionsOf } from "./output-columns.js";
import type { Level } from "./scope.js";

/**
 * Whether ORDER BY says of any two rows which comes first: it has all columns of a unique key of the one table that is
 * read. Then each shard that has the same rows cuts them at the same place.
 */
export function isFullyOrdered(select: Fields<"SelectStmt">, level: Level): boolean {
  const [item] = level.items;
  if (level.items.length !== 1 || item?.relation === undefined || item.columns === undefined) return false;
  if ((select.groupClause ?? []).length > 0 || (select.distinctClause ?? []).length > 0) return false;
  // Of rows that others hold locked, each shard would leave out its own.
  if ((select.lockingClause ?? []).some((node) => as(node, "LockingClause")?.waitPolicy === "LockWaitSkip")) return false;
  const sorted = (select.sortClause ?? []).map((node) => {
    const column = plainColumn(as(node, "SortBy")?.node, level);
    // A name of the answer comes before FROM's.
    const named = expressionsOf(select.targetList).filter(({ name }) => name !== undefined && name === column?.name);
    return named.every(({ val }) => plainColumn(val, level) === column) ? column : undefined;
  });
  const names = new Set(item.columns.flatMap((column, index) => (sorted.includes(column) ? [item.relation!.columns[index]!.name] : [])));
  return item.relation.uniqueKeys.some(({ columns, partial, nullable }) => columns?.every((name) => names.has(name)) === true && !partial && !nullable);
}

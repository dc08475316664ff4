import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { plainColumn } from "./conjuncts.js";
import type { Obstacle } from "./distribution.js";
import { keyConstant } from "./key-constant.js";
import type { Item, Level } from "./scope.js";

/**
 * Why a SET list may not change a row of the table in place: it gives the sharding key another value, by which the row
 * belongs to another shard. Setting it to what it is, as far as WHERE says so, is no change.
 */
export function keyChange(targets: readonly Node[] | undefined, target: Item, level: Level): Obstacle | undefined {
  const placement = target.relation?.placement;
  if (placement?.kind !== "key") return undefined;
  for (const node of targets ?? []) {
    const assignment = as(node, "ResTarget");
    if (assignment?.name !== placement.column) continue;
    const key = target.columns?.find(({ name }, index) => name === placement.column || target.relation?.columns[index]?.name === placement.column);
    const value = assignedValue(assignment);
    const column = plainColumn(value, level);
    if (key !== undefined && column !== undefined && level.equalities.same(key, column)) continue;
    const constant = keyConstant(value, placement.dataType);
    const known = key === undefined ? undefined : level.equalities.valuesOf(key);
    if (constant !== undefined && known?.length === 1 && JSON.stringify(known[0]) === JSON.stringify(constant)) continue;
    return {
      reason: `It changes the sharding key ${placement.column}: the row may belong to another shard then.`,
      remedy: "Delete the row and insert it with its new key, both in one transaction.",
    };
  }
  return undefined;
}

function assignedValue(assignment: Fields<"ResTarget">): Node | undefined {
  const several = as(assignment.val, "MultiAssignRef");
  if (several === undefined) return assignment.val;
  return as(several.source, "RowExpr")?.args?.[(several.colno ?? 1) - 1];
}

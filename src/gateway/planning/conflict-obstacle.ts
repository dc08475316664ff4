import { as, type Fields } from "../../schema/syntax-tree.js";
import type { Obstacle } from "./distribution.js";
import type { Relation } from "./sharded-catalog.js";

/**
 * Why ON CONFLICT does not see all conflicts: the rows that are alike may be on different shards, unless what makes them
 * alike has the sharding key.
 */
export function conflictObstacle(clause: Fields<"OnConflictClause"> | undefined, relation: Relation): Obstacle | undefined {
  const { placement } = relation;
  if (clause === undefined || placement.kind !== "key") return undefined;
  const { infer } = clause;
  const inferred = (infer?.indexElems ?? []).map((node) => as(node, "IndexElem")?.name);
  const named = relation.uniqueKeys.find(({ name }) => name === infer?.conname)?.columns ?? [];
  const holds =
    infer === undefined ? relation.uniqueKeys.every(({ columns }) => columns?.includes(placement.column) === true)
    : infer.conname === undefined ? inferred.includes(placement.column)
    : named.includes(placement.column);
  if (holds) return undefined;
  return {
    reason: `ON CONFLICT is about a unique key without the sharding key ${placement.column}: a row on another shard is not seen.`,
    remedy: `Name a unique key that has ${placement.column} in it: ON CONFLICT (${placement.column}, …).`,
  };
}

import { displayName } from "../../postgres/identifiers.js";
import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { analyseFrom, openItem } from "./analyse-from.js";
import { analyseRelation } from "./analyse-relation.js";
import { keyChange } from "./changed-key.js";
import { openCommonTables } from "./common-tables.js";
import type { Distribution, Obstacle } from "./distribution.js";
import { outputColumns } from "./output-columns.js";
import { setsOwnValues } from "./own-defaults.js";
import type { Context, QueryAnalysis } from "./query-analysis.js";
import { type Item, Level } from "./scope.js";
import type { ScopeColumn } from "./scope-column.js";
import { settleLevel } from "./settle-level.js";

/** UPDATE or DELETE, of any depth; its rows are those of RETURNING. */
export function analyseChange(change: Fields<"UpdateStmt"> | Fields<"DeleteStmt">, kind: "update" | "delete", parent: Level | undefined, context: Context): QueryAnalysis {
  const level = new Level(openCommonTables(change.withClause, parent, context));
  const target = analyseRelation(change.relation!, level, context);
  const item = openItem(target, level);
  const others = kind === "update" ? (change as Fields<"UpdateStmt">).fromClause : (change as Fields<"DeleteStmt">).usingClause;
  const targetList = kind === "update" ? (change as Fields<"UpdateStmt">).targetList : undefined;
  const from = analyseFrom(others ?? [], level, context);
  const cursor = as(change.whereClause, "CurrentOfExpr")?.cursor_name;
  if (cursor !== undefined) context.facts.cursor = cursor;
  const returning = change.returningClause?.exprs;
  const tree = { kind: "inner" as const, parts: [item, from.tree], facts: () => ({ equal: [], values: [], semiJoins: [] }) };
  const expressions = [from.expressions, targetList, change.whereClause, returning];
  const settled = settleLevel({ tree, where: change.whereClause, expressions, obstacles: from.obstacles, sampled: from.sampled }, level, context);
  const refusal = changeObstacle(target, kind, context) ?? keyChange(targetList, target, level) ?? carriedKeys(target, kind, targetList) ?? severalMatches(target, kind, level);
  const distribution = changed(target, settled.distribution, refusal, context);
  if (target.relation?.placement.kind === "omnisharded" && setsOwnValues(targetList, target.relation)) context.facts.ownDefaults = true;
  const columns = outputColumns(returning, level, distribution.kind === "split" ? settled.keys : []);
  return { distribution, rows: distribution, columns, gathering: () => ({ gather: { kind: "union" } }) };
}

/** Notes what is changed; where it is omnisharded, each shard has to do the same. */
export function changed(target: Item, distribution: Distribution, refusal: Obstacle | undefined, context: Context): Distribution {
  const { relation } = target;
  const never = (obstacle: Obstacle): Distribution => ({ kind: "whole", pins: undefined, obstacle });
  if (refusal !== undefined) return never(refusal);
  if (relation === undefined) return distribution;
  if (relation.placement.kind !== "omnisharded") {
    context.facts.changesSharded = true;
    return distribution;
  }
  context.facts.everywhere.push({ schema: relation.schema, name: relation.name });
  if (distribution.kind === "same") return distribution;
  return never({
    reason: `It changes the omnisharded table ${displayName(relation)} by something that is not the same on every shard: ${distribution.kind === "whole" ? distribution.obstacle.reason : "rows of a sharded table, a LIMIT without a full order, a sequence, a function such as random()."}`,
    remedy: "Read the values first, and give them to the statement as parameters.",
  });
}

/** Why a change may not be carried into other tables by their foreign keys. */
function carriedKeys({ relation }: Item, kind: "update" | "delete", targets: readonly Node[] | undefined): Obstacle | undefined {
  const carries = kind === "delete" ? relation?.carried.delete === true : (targets ?? []).some((node) => relation?.carried.update.has(as(node, "ResTarget")?.name ?? "") === true);
  if (relation === undefined || !carries) return undefined;
  return {
    reason: `A foreign key to ${displayName(relation)} carries the change into the sharding key of another table, whose rows may belong to another shard then.`,
    remedy: "Insert the new row, delete and insert the rows that refer to it with their new key, and delete the old row, in one transaction.",
  };
}

/** Which of several matching rows an UPDATE takes is each shard's own affair; of omnisharded tables there may be one only. */
function severalMatches(target: Item, kind: "update" | "delete", level: Level): Obstacle | undefined {
  if (kind === "delete" || target.relation?.placement.kind !== "omnisharded") return undefined;
  const settled = [...(target.columns ?? [])];
  const others = level.items.filter((item) => item !== target);
  const isSettled = (column: ScopeColumn): boolean => level.equalities.valuesOf(column)?.length === 1 || settled.some((known) => level.equalities.same(known, column));
  for (let found = true; found; ) {
    const next = others.findIndex(({ relation, columns = [] }) => relation?.uniqueKeys.some((key) => !key.partial && key.columns?.every((name) => columns.some((column, index) => relation.columns[index]?.name === name && isSettled(column)))));
    found = next >= 0;
    if (found) settled.push(...(others.splice(next, 1)[0]?.columns ?? []));
  }
  if (others.length === 0) return undefined;
  return {
    reason: "It changes an omnisharded table by rows of another one, of which several may match: each shard would take one of its own choice.",
    remedy: "Join the other table on all columns of a unique key, or take the value from a subquery (SET x = (SELECT max(y) …)).",
  };
}

/** Why rows of a relation may not be changed by a statement of that kind. */
export function changeObstacle({ relation, name }: Item, kind: "insert" | "update" | "delete", context: Context): Obstacle | undefined {
  if (relation === undefined) {
    // Of a table that is not known, the planner says so; a catalog is the server's.
    return context.facts.missing.some((missing) => missing.name === name) ? undefined : { reason: "It changes a catalog, or the rows of a query.", remedy: "Name a table." };
  }
  const place = displayName(relation);
  if (relation.unusable !== undefined) return { reason: relation.unusable, remedy: "Correct the sharding rules or the table." };
  if (relation.kind !== "table") {
    return { reason: `It changes ${place}, which is ${relation.kind === "view" ? "a view" : `a ${relation.kind} table`}.`, remedy: relation.kind === "view" ? "Change the view's table." : "Say the shard in a comment: /* pgdog_shard: 0 */." };
  }
  if (relation.rewritten) return { reason: `${place} has rules (CREATE RULE), which make other statements of it.`, remedy: "Drop the rules, or replace them with triggers." };
  const { placement } = relation;
  if (placement.kind === "key" && kind !== "delete" && relation.columns.some(({ name: column, generated }) => generated && column === placement.column)) {
    return { reason: `The sharding key ${placement.column} of ${place} is generated from other columns, by the shard.`, remedy: "Make it an ordinary column, and give it in the statement." };
  }
  if (placement.kind === "omnisharded" && relation.triggers.has(kind)) {
    return {
      reason: `${place} is omnisharded and has a trigger on ${kind.toUpperCase()}, which runs on each shard by itself and may not do the same on all of them.`,
      remedy: "Declare the trigger's function IMMUTABLE if its outcome depends on the row alone; else drop the trigger and let the application give the values.",
    };
  }
  return undefined;
}


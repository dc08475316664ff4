import { displayName } from "../../postgres/identifiers.js";
import { as, type Fields } from "../../schema/syntax-tree.js";
import { analyseFrom, openItem } from "./analyse-from.js";
import { analyseRelation } from "./analyse-relation.js";
import { keyChange } from "./changed-key.js";
import { openCommonTables } from "./common-tables.js";
import type { Distribution, Obstacle } from "./distribution.js";
import { outputColumns } from "./output-columns.js";
import { setsOwnValues } from "./own-defaults.js";
import type { Context, QueryAnalysis } from "./query-analysis.js";
import { type Item, Level } from "./scope.js";
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
  const refusal = changeObstacle(target, kind, context) ?? keyChange(targetList, target, level);
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
  if (relation.placement.kind === "omnisharded" && relation.triggers.has(kind)) {
    return {
      reason: `${place} is omnisharded and has a trigger on ${kind.toUpperCase()}, which runs on each shard by itself and may not do the same on all of them.`,
      remedy: "Declare the trigger's function IMMUTABLE if its outcome depends on the row alone; else drop the trigger and let the application give the values.",
    };
  }
  return undefined;
}


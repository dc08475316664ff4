import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { analyseFrom, openItem } from "./analyse-from.js";
import { analyseRelation } from "./analyse-relation.js";
import { changed, changeObstacle } from "./analyse-change.js";
import { keyChange } from "./changed-key.js";
import { openCommonTables } from "./common-tables.js";
import { type Facts, factsOf, plainColumn } from "./conjuncts.js";
import type { Distribution, Obstacle } from "./distribution.js";
import { keepsItsKey, rowKey } from "./insert-keys.js";
import type { JoinTree } from "./join-tree.js";
import { outputColumns } from "./output-columns.js";
import { drawsOwnValues, setsOwnValues } from "./own-defaults.js";
import type { Context, QueryAnalysis } from "./query-analysis.js";
import { type Item, Level } from "./scope.js";
import { isKey, settleLevel, type SettledLevel } from "./settle-level.js";
import type { KeySet } from "./statement-plan.js";

type When = Fields<"MergeWhenClause">;

/** MERGE: a join of the source with the target, whose sides are kept as its clauses need them. */
export function analyseMerge(merge: Fields<"MergeStmt">, parent: Level | undefined, context: Context): QueryAnalysis {
  const level = new Level(openCommonTables(merge.withClause, parent, context));
  const target = analyseRelation(merge.relation!, level, context);
  const right = openItem(target, level);
  const from = analyseFrom([merge.sourceRelation!], level, context);
  const whens = (merge.mergeWhenClauses ?? []).flatMap((node) => as(node, "MergeWhenClause") ?? []);
  const facts = (): Facts => factsOf([merge.joinCondition], level);
  const expressions = [from.expressions, merge.joinCondition, whens, merge.returningClause?.exprs];
  const settled = settleLevel({ tree: treeOf(whens, from.tree, right, facts), where: undefined, expressions, obstacles: from.obstacles, sampled: from.sampled }, level, context);

  const { relation } = target;
  const kinds = (["insert", "update", "delete"] as const).filter((kind) => whens.some(({ commandType }) => commandType === `CMD_${kind.toUpperCase()}`));
  const obstacles = [...kinds.map((kind) => changeObstacle(target, kind, context)), ...whens.map((when) => (when.commandType === "CMD_UPDATE" ? keyChange(when.targetList, target, level) : undefined))];
  const inserted = insertedRows(whens, target, settled, level);
  const refusal = obstacles.find((found) => found !== undefined) ?? inserted.obstacle;
  if (relation?.placement.kind === "omnisharded" && whens.some((when) => (when.commandType === "CMD_INSERT" ? drawsOwnValues(asInsert(merge, when), relation) : setsOwnValues(when.targetList, relation)))) {
    context.facts.ownDefaults = true;
  }
  const distribution = changed(target, withKeys(settled.distribution, inserted.sets), refusal, context);
  const columns = outputColumns(merge.returningClause?.exprs, level, []);
  return { distribution, rows: distribution, columns, gathering: () => ({ gather: { kind: "union" } }) };
}

function treeOf(whens: readonly When[], source: JoinTree, target: JoinTree, facts: () => Facts): JoinTree {
  const keepsSource = whens.some(({ matchKind }) => matchKind === "MERGE_WHEN_NOT_MATCHED_BY_TARGET");
  const keepsTarget = whens.some(({ matchKind }) => matchKind === "MERGE_WHEN_NOT_MATCHED_BY_SOURCE");
  if (keepsSource && keepsTarget) return { kind: "full", left: source, right: target, facts };
  if (keepsSource) return { kind: "left", left: source, right: target, facts };
  if (keepsTarget) return { kind: "left", left: target, right: source, facts };
  return { kind: "inner", parts: [source, target], facts };
}

/** The keys of rows that are inserted: the source's, by which it is on its shard, or constants. */
function insertedRows(whens: readonly When[], { relation }: Item, settled: SettledLevel, level: Level): { readonly obstacle: Obstacle | undefined; readonly sets: readonly KeySet[] } {
  const sets: KeySet[] = [];
  const { placement } = relation ?? {};
  if (relation === undefined || placement?.kind !== "key") return { obstacle: undefined, sets };
  for (const when of whens) {
    if (when.commandType !== "CMD_INSERT") continue;
    const names = (when.targetList ?? []).map((node) => as(node, "ResTarget")?.name);
    const place = names.length > 0 ? names.indexOf(placement.column) : relation.columns.findIndex(({ name }) => name === placement.column);
    const value: Node | undefined = place < 0 ? undefined : when.values?.[place];
    const column = plainColumn(value, level);
    const source = isKey(column, settled.keys, level.equalities);
    if (source !== undefined && column !== undefined && keepsItsKey({ ...column, key: source.key }, relation, placement)) continue;
    const key = rowKey(value, relation, placement);
    if (key.kind === "obstacle") return { obstacle: key.obstacle, sets };
    // A key of the shard that inserts is right on whichever that is.
    if (key.kind === "key") sets.push(key.set);
  }
  return { obstacle: undefined, sets };
}

function withKeys(distribution: Distribution, sets: readonly KeySet[]): Distribution {
  if (sets.length === 0) return distribution;
  switch (distribution.kind) {
    case "split":
      return { kind: "whole", pins: distribution.pin === undefined ? undefined : [distribution.pin, ...sets], obstacle: CONSTANT_KEYS };
    case "whole":
      return { ...distribution, pins: distribution.pins === undefined ? undefined : [...distribution.pins, ...sets] };
    default:
      return distribution;
  }
}

function asInsert(merge: Fields<"MergeStmt">, when: When): Fields<"InsertStmt"> {
  return { ...(merge.relation === undefined ? {} : { relation: merge.relation }), cols: when.targetList ?? [], selectStmt: { SelectStmt: { valuesLists: [{ List: { items: when.values ?? [] } }] } } };
}

const CONSTANT_KEYS: Obstacle = {
  reason: "MERGE inserts rows under a sharding key that is not the source's.",
  remedy: "Restrict the target to that key in ON (… AND target.key = value).",
};

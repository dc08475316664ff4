import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { analyseFrom } from "./analyse-from.js";
import { analyseSetOperation, CUT } from "./analyse-set-operation.js";
import { openCommonTables } from "./common-tables.js";
import { cutOf, type Distribution, type Obstacle, wholeOf } from "./distribution.js";
import { isFullyOrdered } from "./full-order.js";
import { gatherAggregates, gatherRows } from "./gather-select.js";
import { outputColumns } from "./output-columns.js";
import type { Context, Gathering, QueryAnalysis } from "./query-analysis.js";
import { Level } from "./scope.js";
import { unknownColumn } from "./scope-column.js";
import { selectSteps } from "./select-steps.js";
import { settleLevel } from "./settle-level.js";

type Select = Fields<"SelectStmt">;

/** A SELECT, VALUES or set operation, of any depth. */
export function analyseSelect(select: Select, parent: Level | undefined, context: Context): QueryAnalysis {
  if (select.op !== undefined && select.op !== "SETOP_NONE") return analyseSetOperation(select, parent, context);
  const level = new Level(openCommonTables(select.withClause, parent, context));
  const from = analyseFrom(select.fromClause ?? [], level, context);
  const { targetList, whereClause, groupClause, havingClause, windowClause, sortClause, distinctClause, limitCount, limitOffset, valuesLists } = select;
  const expressions = [from.expressions, targetList, whereClause, groupClause, havingClause, windowClause, sortClause, distinctClause, limitCount, limitOffset, valuesLists];
  const locks = lockObstacle(select, level, context);
  const settled = settleLevel({ tree: from.tree, where: whereClause, expressions, obstacles: from.obstacles, sampled: from.sampled }, level, context);
  const rows = locks === undefined || settled.distribution.kind === "same" || settled.distribution.kind === "each" ? settled.distribution : unpinned(settled.distribution, locks);

  const columns = valuesLists === undefined ? outputColumns(targetList, level, rows.kind === "split" ? settled.keys : []) : valueColumns(valuesLists);
  const steps = selectSteps(select, level, settled);
  const cut = limitCount !== undefined || limitOffset !== undefined;
  const obstacle = steps.obstacle ?? (steps.oneGroup ? ONE_GROUP : cut ? CUT : undefined);
  let distribution = obstacle === undefined ? rows : wholeOf(rows, obstacle);
  if (steps.unsteady || (cut && !isFullyOrdered(select, level))) distribution = cutOf(distribution);
  const kept = distribution.kind === "split" ? columns : columns?.map((column) => ({ ...column, key: undefined }));
  return { distribution, rows, columns: kept, gathering };

  function gathering(): Gathering | Obstacle {
    if (steps.obstacle !== undefined) return steps.obstacle;
    return steps.oneGroup ? gatherAggregates(select, level, settled.keys) : gatherRows(select, level);
  }
}

/** Row locks of an omnisharded table exclude others only where all take them: on the first shard. */
function lockObstacle(select: Select, level: Level, context: Context): Obstacle | undefined {
  let omnisharded = false;
  for (const node of select.lockingClause ?? []) {
    context.facts.locks = true;
    const names = (as(node, "LockingClause")?.lockedRels ?? []).map((range) => as(range, "RangeVar")?.relname);
    const items = names.length === 0 ? level.items : level.items.filter(({ name }) => names.includes(name));
    // The ranges whose columns are not known are functions.
    if (items.some(({ distribution, columns }) => distribution.kind === "same" && columns !== undefined)) omnisharded = true;
  }
  if (!omnisharded) return undefined;
  context.facts.locksOmnisharded = true;
  return { reason: "It locks rows of an omnisharded table together with rows of a sharded one.", remedy: "Name the sharded tables in FOR UPDATE OF, and lock the omnisharded rows in a statement of their own." };
}

function unpinned(distribution: Distribution, obstacle: Obstacle): Distribution {
  return distribution.kind === "whole" && distribution.pins === undefined ? distribution : { kind: "whole", pins: undefined, obstacle };
}

function valueColumns(lists: readonly Node[]): QueryAnalysis["columns"] {
  return (as(lists[0], "List")?.items ?? []).map((_, index) => unknownColumn(`column${index + 1}`));
}

const ONE_GROUP: Obstacle = {
  reason: "A subquery aggregates over several shards.",
  remedy: "Restrict it to one sharding key, group by the sharding key, or ask for it in a statement of its own.",
};

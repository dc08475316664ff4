import type { Fields, Node } from "../../schema/syntax-tree.js";
import { openCommonTables } from "./common-tables.js";
import { combined, cutOf, type Distribution, type Obstacle, wholeOf } from "./distribution.js";
import { cutRows } from "./gather-select.js";
import { inspectExpressions, partsOfEffects } from "./inspect-expressions.js";
import type { Context, Gathering, QueryAnalysis } from "./query-analysis.js";
import { Level } from "./scope.js";
import { type ScopeColumn, unknownColumn } from "./scope-column.js";
import { sortKeysByName } from "./sort-keys.js";
import type { KeySet } from "./statement-plan.js";

type Select = Fields<"SelectStmt">;

/** UNION, INTERSECT, EXCEPT. */
export function analyseSetOperation(select: Select, parent: Level | undefined, context: Context): QueryAnalysis {
  const around = openCommonTables(select.withClause, parent, context);
  const [left, right] = [select.larg, select.rarg].map((side) => context.analyse({ SelectStmt: side! }, around)) as [QueryAnalysis, QueryAnalysis];
  const columns = columnsOfBoth(left.columns, right.columns);
  const [a, b] = [left.distribution, right.distribution];

  // ORDER BY, LIMIT: of the whole.
  const level = new Level(around);
  const inspection = inspectExpressions([select.sortClause, select.limitCount, select.limitOffset], level, context);
  const links = inspection.links.map((link) => wholeOf(context.analyse(link.subselect!, around).distribution, APART));
  const effects = partsOfEffects(inspection.effects, false);
  const rest = { level, parts: [...links, ...effects.parts], obstacles: effects.obstacles };

  let rows: Distribution;
  if (a.kind === "split" && b.kind === "split" && ((select.op === "SETOP_UNION" && select.all === true) || columns?.some(({ key }) => key !== undefined))) {
    rows = combined({ ...rest, groups: [eitherPin(a.pin, b.pin)] });
  } else {
    rows = combined({ ...rest, groups: [], parts: [...rest.parts, wholeOf(a, APART), wholeOf(b, APART)] });
  }
  const cut = select.limitCount !== undefined || select.limitOffset !== undefined;
  return {
    distribution: cut ? cutOf(wholeOf(rows, CUT)) : rows,
    rows,
    columns,
    gathering: () => gatherSetOperation(select, columns),
  };
}

function gatherSetOperation(select: Select, columns: readonly ScopeColumn[] | undefined): Gathering | Obstacle {
  const sorted = (select.sortClause ?? []).length > 0 ? sortKeysByName(select.sortClause ?? [], columns) : undefined;
  if (sorted !== undefined && "reason" in sorted) return sorted;
  const cut = cutRows(select);
  if ("reason" in cut) return cut;
  const gather: Gathering["gather"] = sorted === undefined ? { kind: "union", ...cut.counts } : { kind: "merge", by: sorted.by, hidden: 0, ...cut.counts };
  const tree: Node | undefined = cut.select === undefined ? undefined : { SelectStmt: cut.select };
  return tree === undefined ? { gather } : { gather, tree };
}

/** Names are the left side's; a column is a key where it is one on both sides. */
function columnsOfBoth(left: QueryAnalysis["columns"], right: QueryAnalysis["columns"]): readonly ScopeColumn[] | undefined {
  return left?.map((column, index): ScopeColumn => {
    const other = right?.[index];
    const alike = other !== undefined && other.type === column.type && other.order === column.order;
    const key = column.key !== undefined && other?.key?.rule === column.key.rule ? column.key : undefined;
    return alike || key !== undefined ? { ...column, key, type: alike ? column.type : undefined } : unknownColumn(column.name);
  });
}

/** The shards of both sides' keys: each side has no rows for the other's keys there, so that none is taken twice. */
function eitherPin(left: KeySet | undefined, right: KeySet | undefined): KeySet | undefined {
  if (left === undefined || right === undefined) return undefined;
  if (left === right) return left;
  return left.shardOf === right.shardOf && left.dataType === right.dataType ? { ...left, values: [...left.values, ...right.values] } : undefined;
}

export const CUT: Obstacle = {
  reason: "A subquery cuts rows of several shards (LIMIT, OFFSET).",
  remedy: "Restrict it to one sharding key, or ask for it in a statement of its own.",
};

const APART: Obstacle = {
  reason: "UNION, INTERSECT or EXCEPT over several shards: equal rows may be on different shards, or rows that every shard has would be taken once for each.",
  remedy: "Use UNION ALL of sharded tables, select the sharding key in each part, or restrict the parts to one and the same sharding key.",
};

import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { plainColumn } from "./conjuncts.js";
import type { Obstacle } from "./distribution.js";
import { nameOf } from "./inspect-expressions.js";
import { expressionsOf } from "./output-columns.js";
import type { Level } from "./scope.js";
import type { ScopeColumn } from "./scope-column.js";
import { isKey, type SettledLevel } from "./settle-level.js";

type Select = Fields<"SelectStmt">;

/** What a SELECT does with its rows before it orders and cuts them. */
export interface SelectSteps {
  /** Aggregates over all rows: the answer is one row. */
  readonly oneGroup: boolean;
  /** Why the steps are not right on rows that are split; they are where it is undefined. */
  readonly obstacle: Obstacle | undefined;
  /** Even on the same rows the shards may come to different answers: the rows' order decides. */
  readonly unsteady: boolean;
}

/** Aggregates that give the same whatever order the rows come in. */
const ORDERLESS = new Set(["count", "min", "max", "bool_and", "bool_or", "every", "bit_and", "bit_or", "bit_xor", "any_value"]);
const EXACT = new Set(["int2", "int4", "int8", "numeric"]);

export function selectSteps(select: Select, level: Level, settled: SettledLevel): SelectSteps {
  const { aggregates, otherAggregates, windows } = settled.inspection;
  const grouped = (select.groupClause ?? []).length > 0;
  const aggregated = aggregates.length > 0 || otherAggregates || select.havingClause !== undefined;
  const isRowKey = (node: Node, outputFirst: boolean): boolean => isKey(elementColumn(node, select, level, outputFirst), settled.keys, level.equalities) !== undefined;

  let obstacle: Obstacle | undefined;
  if (grouped && !(select.groupClause ?? []).some((node) => isRowKey(node, false))) obstacle = GROUPS;
  if (windows.length > 0 && !windows.every((window) => partitionOf(window, select).some((node) => plainKey(node)))) obstacle ??= WINDOWS;
  const distinct = select.distinctClause ?? [];
  // A plain DISTINCT is a list of one empty node.
  const distinctOn = distinct.filter((node) => Object.keys(node).length > 0);
  if (distinct.length > 0 && !(distinctOn.length > 0 ? distinctOn.some((node) => isRowKey(node, true)) : distinctOutput())) obstacle ??= DISTINCT;

  const unsteady = windows.length > 0 || distinctOn.length > 0 || otherAggregates || aggregates.some((call) => !isOrderless(call, level));
  return { oneGroup: aggregated && !grouped, obstacle, unsteady };

  function plainKey(node: Node): boolean {
    return isKey(plainColumn(node, level), settled.keys, level.equalities) !== undefined;
  }

  function distinctOutput(): boolean {
    return expressionsOf(select.targetList).some(({ val }) => {
      const fields = as(val, "ColumnRef")?.fields ?? [];
      if (as(fields.at(-1), "A_Star") === undefined) return val !== undefined && plainKey(val);
      // All columns of all ranges, or of the one that is named.
      const items = fields.length === 1 ? level.items : level.items.filter(({ name }) => name === as(fields.at(-2), "String")?.sval);
      return items.some(({ columns = [] }) => columns.some((column) => isKey(column, settled.keys, level.equalities) !== undefined));
    });
  }
}

/** The column that an element of GROUP BY or DISTINCT ON stands for: by its place, by a name of the answer or of FROM. */
function elementColumn(node: Node, select: Select, level: Level, outputFirst: boolean): ScopeColumn | undefined {
  const targets = expressionsOf(select.targetList);
  const place = as(node, "A_Const")?.ival?.ival;
  if (place !== undefined) {
    // With a star before it, the place is another.
    const before = targets.slice(0, place);
    return before.some(({ val }) => as(as(val, "ColumnRef")?.fields?.at(-1), "A_Star") !== undefined) ? undefined : plainColumn(targets[place - 1]?.val, level);
  }
  const fields = as(node, "ColumnRef")?.fields ?? [];
  const name = fields.length === 1 ? as(fields[0], "String")?.sval : undefined;
  const named = name === undefined ? [] : targets.filter((target) => target.name === name);
  // Where it is both, GROUP BY means FROM's column, DISTINCT ON the answer's (findTargetlistEntrySQL92, parser/parse_clause.c).
  const own = name === undefined ? undefined : level.visible.some((visible) => visible?.name === name);
  if (named.length > 0 && (outputFirst || own === false)) return named.length === 1 && !level.visible.includes(undefined) ? plainColumn(named[0]!.val, level) : undefined;
  return plainColumn(node, level);
}

function partitionOf(window: Fields<"WindowDef">, select: Select): readonly Node[] {
  const partition = window.partitionClause ?? [];
  const base = window.refname ?? window.name;
  if (partition.length > 0 || base === undefined) return partition;
  const named = (select.windowClause ?? []).map((node) => as(node, "WindowDef")).find((definition) => definition?.name === base);
  return named === undefined || named === window ? [] : (named.partitionClause ?? (named.refname === undefined ? [] : partitionOf({ refname: named.refname }, select)));
}

function isOrderless(call: Fields<"FuncCall">, level: Level): boolean {
  const name = nameOf(call.funcname).at(-1) ?? "";
  if (ORDERLESS.has(name)) return true;
  return (name === "sum" || name === "avg") && EXACT.has(plainColumn(call.args?.[0], level)?.type ?? "");
}

const GROUPS: Obstacle = {
  reason: "It groups rows of several shards by something other than the sharding key: a group may have rows on several shards.",
  remedy: "Group by the sharding key as well, restrict the statement to one sharding key, or aggregate in the application.",
};

const WINDOWS: Obstacle = {
  reason: "It has a window function over rows of several shards.",
  remedy: "Add the sharding key to PARTITION BY, or restrict the statement to one sharding key.",
};

const DISTINCT: Obstacle = {
  reason: "DISTINCT over several shards without the sharding key: equal rows may be on different shards.",
  remedy: "Select the sharding key as well, restrict the statement to one sharding key, or remove duplicates in the application.",
};

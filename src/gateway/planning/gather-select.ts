import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { plainColumn } from "./conjuncts.js";
import type { Obstacle } from "./distribution.js";
import { nameOf } from "./inspect-expressions.js";
import { expressionsOf } from "./output-columns.js";
import type { Gathering } from "./query-analysis.js";
import { countOf, offsetOfNothing, pushedDown } from "./row-count.js";
import type { Level } from "./scope.js";
import type { ScopeColumn } from "./scope-column.js";
import { isKey } from "./settle-level.js";
import { orderOf, sortKeysOf } from "./sort-keys.js";
import type { Aggregate, Count, Gather } from "./statement-plan.js";

type Select = Fields<"SelectStmt">;

/** How the answers of several shards become one, for a SELECT of which each shard's rows are a part of all rows. */
export function gatherRows(select: Select, level: Level): Gathering | Obstacle {
  const sorted = (select.sortClause ?? []).length > 0 ? sortKeysOf(select, level) : undefined;
  if (sorted !== undefined && "reason" in sorted) return sorted;
  const cut = cutRows(select);
  if ("reason" in cut) return cut;
  const hidden = sorted?.hidden ?? [];
  const gather: Gather = sorted === undefined ? { kind: "union", ...cut.counts } : { kind: "merge", by: sorted.by, hidden: hidden.length, ...cut.counts };
  if (hidden.length === 0 && cut.select === undefined) return { gather };
  // By names of their own: ORDER BY may name a column of the answer, which must stay the only one of its name.
  const targets = hidden.map((val, index): Node => ({ ResTarget: { name: `reshard_sort_${index}`, val } }));
  return { gather, tree: { SelectStmt: { ...(cut.select ?? select), targetList: [...(select.targetList ?? []), ...targets] } } };
}

/** LIMIT and OFFSET; the SELECT for the shards where it is another one. */
export function cutRows(select: Select): { readonly counts: { readonly limit?: Count; readonly offset?: Count }; readonly select: Select | undefined } | Obstacle {
  if (select.limitOption === "LIMIT_OPTION_WITH_TIES") {
    return { reason: "FETCH FIRST … WITH TIES over several shards.", remedy: "Use LIMIT, or restrict the statement to one sharding key." };
  }
  const [limit, offset] = [countOf(select.limitCount), countOf(select.limitOffset)];
  if (limit !== undefined && "reason" in limit) return limit;
  if (offset !== undefined && "reason" in offset) return offset;
  const counts = { ...(limit === undefined ? {} : { limit }), ...(offset === undefined ? {} : { offset }) };
  if (offset === undefined) return { counts, select: undefined };
  const { limitCount, limitOffset, ...others } = select;
  const both = limitCount === undefined || limitOffset === undefined ? undefined : pushedDown(limitCount, limitOffset);
  const skipped = limitOffset === undefined ? undefined : offsetOfNothing(limitOffset);
  const kept = { ...(both === undefined ? {} : { limitCount: both }), ...(skipped === undefined ? {} : { limitOffset: skipped }) };
  return { counts, select: { ...others, ...kept, limitOption: both === undefined && skipped === undefined ? "LIMIT_OPTION_DEFAULT" : "LIMIT_OPTION_COUNT" } };
}

/** A SELECT whose answer is one row: each of its columns an aggregate that can be put together from each shard's. */
export function gatherAggregates(select: Select, level: Level, keys: readonly ScopeColumn[]): Gathering | Obstacle {
  const limit = countOf(select.limitCount);
  const keepsRow = limit === undefined || (!("reason" in limit) && limit.kind === "constant" && limit.value >= 1);
  if (select.havingClause !== undefined || select.limitOffset !== undefined || !keepsRow) return NOT_ADDITIVE;
  const columns: Aggregate[] = [];
  for (const { val } of expressionsOf(select.targetList)) {
    const column = aggregateOf(val, level, keys);
    if (column === undefined) return NOT_ADDITIVE;
    columns.push(column);
  }
  return { gather: { kind: "aggregate", columns } };
}

function aggregateOf(node: Node | undefined, level: Level, keys: readonly ScopeColumn[]): Aggregate | undefined {
  const cast = as(node, "TypeCast");
  if (cast !== undefined) {
    // Of a count, each shard's is cast, and their sum is the same.
    const inner = aggregateOf(cast.arg, level, keys);
    const integer = /^int[248]$/.test(as(cast.typeName?.names?.at(-1), "String")?.sval ?? "") && (cast.typeName?.arrayBounds ?? []).length === 0;
    return inner?.function === "count" && integer ? inner : undefined;
  }
  const coalesce = as(node, "CoalesceExpr");
  if (coalesce !== undefined) {
    const [first, second, ...more] = coalesce.args ?? [];
    const inner = aggregateOf(first, level, keys);
    const zero = as(second, "A_Const")?.ival;
    return inner?.function === "sum" && more.length === 0 && zero !== undefined && (zero.ival ?? 0) === 0 ? inner : undefined;
  }
  const call = as(node, "FuncCall");
  const parts = nameOf(call?.funcname);
  if (call === undefined || call.over !== undefined || call.agg_within_group === true || call.func_variadic === true) return undefined;
  if (parts.length > 1 && parts[0] !== "pg_catalog") return undefined;
  const argument = call.args?.[0];
  const column = plainColumn(argument, level);
  const name = parts.at(-1)!;
  switch (name) {
    case "count":
    case "sum":
      // Of different values, only keys are on one shard each.
      if (call.agg_distinct === true && isKey(column, keys, level.equalities) === undefined) return undefined;
      // Sums of floating-point numbers depend on the order of adding.
      if (name === "sum" && column?.type !== undefined && !/^(?:int[248]|numeric)$/.test(column.type)) return undefined;
      return { function: name, bytewise: false };
    case "min":
    case "max": {
      const order = argument === undefined ? "unknown" : orderOf(argument, level);
      return order === "unknown" ? undefined : { function: name, bytewise: order === "bytewise" };
    }
    case "bool_and":
    case "bool_or":
      return { function: name, bytewise: false };
    case "every":
      return { function: "bool_and", bytewise: false };
    default:
      return undefined;
  }
}

const NOT_ADDITIVE: Obstacle = {
  reason: "It aggregates over several shards by more than count, sum, min, max, bool_and and bool_or (sum of integers and numerics; min and max of what compares without a server).",
  remedy: "Ask for these alone (an average is sum and count), restrict the statement to one sharding key, or aggregate in the application.",
};

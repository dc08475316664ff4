import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { plainColumn } from "./conjuncts.js";
import type { Obstacle } from "./distribution.js";
import { figureName } from "./figure-name.js";
import { nameOf } from "./inspect-expressions.js";
import { expressionsOf } from "./output-columns.js";
import type { Level } from "./scope.js";
import type { ScopeColumn } from "./scope-column.js";
import type { SortKey } from "./statement-plan.js";
import { sameTree } from "./walk-tree.js";

export interface SortKeys {
  readonly by: readonly SortKey[];
  /** Expressions that the shards have to give beside the answer, in the order of the last columns. */
  readonly hidden: readonly Node[];
}

/** By which columns of the shards' answers these are merged. */
export function sortKeysOf(select: Fields<"SelectStmt">, level: Level): SortKeys | Obstacle {
  const found: { readonly place: number | undefined; readonly hidden: Node | undefined; readonly sort: Fields<"SortBy">; readonly bytewise: boolean }[] = [];
  for (const node of select.sortClause ?? []) {
    const sort = as(node, "SortBy")!;
    const target = sortTarget(sort.node, select);
    if (target === undefined || sort.sortby_dir === "SORTBY_USING") return UNCLEAR;
    const order = orderOf(target.expression, level);
    if (order === "unknown") return UNORDERED;
    found.push({ place: target.place, hidden: target.place === undefined ? target.expression : undefined, sort, bytewise: order === "bytewise" });
  }
  const hidden = found.flatMap((key) => key.hidden ?? []);
  const by = found.map((key): SortKey => sortKey(key.sort, key.place ?? hidden.indexOf(key.hidden!) - hidden.length, key.bytewise));
  return { by, hidden };
}

/** The same of a set operation, whose order can only be by its columns. */
export function sortKeysByName(sorts: readonly Node[], columns: readonly ScopeColumn[] | undefined): SortKeys | Obstacle {
  const by: SortKey[] = [];
  for (const node of sorts) {
    const sort = as(node, "SortBy")!;
    const fields = as(sort.node, "ColumnRef")?.fields ?? [];
    const name = fields.length === 1 ? as(fields[0], "String")?.sval : undefined;
    const place = as(sort.node, "A_Const")?.ival?.ival ?? (columns?.findIndex((column) => column.name === name) ?? -1) + 1;
    const column = columns?.[place - 1];
    if (column === undefined || sort.sortby_dir === "SORTBY_USING") return UNCLEAR;
    // Which collation a set operation's column has is more than is known here.
    if (column.type === undefined || column.order !== "value") return UNORDERED;
    by.push(sortKey(sort, place - 1, false));
  }
  return { by, hidden: [] };
}

function sortKey({ sortby_dir: direction, sortby_nulls: nulls }: Fields<"SortBy">, column: number, bytewise: boolean): SortKey {
  const descending = direction === "SORTBY_DESC";
  const nullsFirst = nulls === "SORTBY_NULLS_FIRST" || (descending && nulls !== "SORTBY_NULLS_LAST");
  return { column, descending, nullsFirst, bytewise };
}

interface SortTarget {
  /** In the answer, from 0; undefined where it is none of its columns, or where that cannot be told. */
  readonly place: number | undefined;
  readonly expression: Node;
}

/** What is sorted by (findTargetlistEntrySQL92, parser/parse_clause.c): a place, a name of the answer, an expression. */
function sortTarget(node: Node | undefined, select: Fields<"SelectStmt">): SortTarget | undefined {
  const targets = expressionsOf(select.targetList);
  const star = targets.findIndex(({ val }) => as(as(val, "ColumnRef")?.fields?.at(-1), "A_Star") !== undefined);
  /** Behind a star a place in the answer is not the target's. */
  const at = (index: number): SortTarget | undefined => {
    const expression = targets[index]?.val;
    return expression === undefined ? undefined : { place: star >= 0 && index >= star ? undefined : index, expression };
  };
  const constant = as(node, "A_Const");
  if (constant?.ival !== undefined) {
    const place = (constant.ival.ival ?? 0) - 1;
    return star >= 0 && place >= star ? undefined : at(place);
  }
  if (node === undefined || constant !== undefined) return undefined;
  const fields = as(node, "ColumnRef")?.fields ?? [];
  const name = fields.length === 1 ? as(fields[0], "String")?.sval : undefined;
  if (name !== undefined) {
    const named = targets.flatMap((target, index) => ((target.name ?? figureName(target.val)) === name ? [index] : []));
    if (named.length > 0) return named.every((index) => sameTree(targets[index]!.val, targets[named[0]!]!.val)) ? at(named[0]!) : undefined;
    // A kind of expression whose name is not made out may have this one.
    if (targets.some((target) => target.name === undefined && !isStar(target.val) && figureName(target.val) === undefined)) return undefined;
  }
  const equal = targets.findIndex(({ val }) => sameTree(val, node));
  return equal >= 0 ? at(equal) : { place: undefined, expression: node };
}

function isStar(node: Node | undefined): boolean {
  return as(as(node, "ColumnRef")?.fields?.at(-1), "A_Star") !== undefined;
}

const BYTEWISE_COLLATIONS = new Set(["C", "POSIX", "ucs_basic"]);

/** How values of an expression compare; `value` also where its type is not known: then that is looked at when it comes. */
export function orderOf(node: Node, level: Level): ScopeColumn["order"] {
  const collate = as(node, "CollateClause");
  if (collate !== undefined) return BYTEWISE_COLLATIONS.has(nameOf(collate.collname).at(-1) ?? "") ? "bytewise" : "unknown";
  const column = plainColumn(node, level);
  return column === undefined || column.type === undefined ? "value" : column.order;
}

const UNCLEAR: Obstacle = {
  reason: "ORDER BY over several shards names something of which it cannot be told where it stands in the answer.",
  remedy: "Order by columns of the answer, named or by their places before any *, or restrict the statement to one sharding key.",
};

const UNORDERED: Obstacle = {
  reason: "ORDER BY over several shards sorts by values that only a server can compare (text under a language's collation, an enum, an array, JSON).",
  remedy: 'Sort text by its bytes (ORDER BY column COLLATE "C"), by another column, or in the application; or restrict the statement to one sharding key.',
};

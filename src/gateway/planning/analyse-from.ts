import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { analyseRelation } from "./analyse-relation.js";
import { type Facts, factsOf } from "./conjuncts.js";
import { type Obstacle, SAME } from "./distribution.js";
import type { JoinTree } from "./join-tree.js";
import type { Context } from "./query-analysis.js";
import type { Item, Level, VisibleColumn } from "./scope.js";
import { type ScopeColumn, unknownColumn } from "./scope-column.js";

/** What FROM brings to a level. */
export interface From {
  readonly tree: JoinTree;
  /** Arguments of functions, conditions of joins: what is computed there counts, too. */
  readonly expressions: Node[];
  readonly obstacles: Obstacle[];
  /** TABLESAMPLE takes rows at random. */
  sampled: boolean;
}

interface Part {
  readonly tree: JoinTree;
  readonly visible: readonly (VisibleColumn | undefined)[];
}

/** Opens the ranges of FROM (or USING) in the level. */
export function analyseFrom(nodes: readonly Node[], level: Level, context: Context): From {
  const from = { expressions: [] as Node[], obstacles: [] as Obstacle[], sampled: false };
  const parts = nodes.map((node) => {
    const part = analysePart(node, level, context, from);
    level.visible.push(...part.visible);
    return part.tree;
  });
  return Object.assign(from, { tree: { kind: "inner", parts, facts: noFacts } as const });
}

/** Opens one range by itself, such as the table that is changed. */
export function openItem(item: Item, level: Level): JoinTree {
  level.items.push(item);
  level.visible.push(...visibleOf(item));
  return { kind: "item", item };
}

function analysePart(node: Node, level: Level, context: Context, from: Omit<From, "tree">): Part {
  const range = as(node, "RangeVar");
  if (range !== undefined) return open(withColumnNames(analyseRelation(range, level, context), range.alias), level);
  const subselect = as(node, "RangeSubselect");
  if (subselect !== undefined) {
    const { distribution, columns } = context.analyse(subselect.subquery!, subselect.lateral === true ? level : level.parent);
    return open(withColumnNames({ name: subselect.alias?.aliasname ?? "", schema: "", distribution, columns, relation: undefined }, subselect.alias), level);
  }
  const join = as(node, "JoinExpr");
  if (join !== undefined) return analyseJoin(join, level, context, from);
  const sample = as(node, "RangeTableSample");
  if (sample !== undefined) {
    from.sampled = true;
    from.expressions.push(...(sample.args ?? []));
    return analysePart(sample.relation!, level, context, from);
  }
  return open(openFunction(node, from), level);
}

function open(item: Item, level: Level): Part {
  level.items.push(item);
  return { tree: { kind: "item", item }, visible: visibleOf(item) };
}

function visibleOf({ columns }: Item): (VisibleColumn | undefined)[] {
  return columns === undefined ? [undefined] : columns.map((column) => ({ name: column.name, column }));
}

/** Functions, XMLTABLE, JSON_TABLE: rows made of arguments, on each shard alike; their columns are known as far as they are named. */
function openFunction(node: Node, from: Omit<From, "tree">): Item {
  const call = as(node, "RangeFunction");
  from.expressions.push(node);
  const fields = (call ?? Object.values(node)[0]) as { readonly alias?: Fields<"Alias"> };
  return { name: fields.alias?.aliasname ?? "", schema: "", distribution: SAME, columns: undefined, relation: undefined };
}

function withColumnNames(item: Item, alias: Fields<"Alias"> | undefined): Item {
  const names = (alias?.colnames ?? []).map((name) => as(name, "String")?.sval ?? "");
  if (names.length === 0 || item.columns === undefined) return item;
  return { ...item, columns: item.columns.map((column, index) => ({ ...column, name: names[index] ?? column.name })) };
}

function analyseJoin(join: Fields<"JoinExpr">, level: Level, context: Context, from: Omit<From, "tree">): Part {
  const left = analysePart(join.larg!, level, context, from);
  // A lateral right side sees the left one.
  const before = level.visible.length;
  level.visible.push(...left.visible);
  const right = analysePart(join.rarg!, level, context, from);
  level.visible.length = before;

  const using = join.isNatural === true ? commonNames(left, right, from) : (join.usingClause ?? []).map((name) => as(name, "String")?.sval ?? "");
  const pairs = using.map((name) => [visibleColumn(left, name), visibleColumn(right, name)] as const);
  const condition = join.quals;
  if (condition !== undefined) from.expressions.push(condition);
  const facts = (): Facts => {
    const known = factsOf([condition], level);
    known.equal.push(...pairs.filter((pair): pair is [ScopeColumn, ScopeColumn] => pair[0] !== undefined && pair[1] !== undefined));
    return known;
  };
  if ((join.alias?.colnames ?? []).length > 0) {
    from.obstacles.push({ reason: "A join has an alias that renames its columns.", remedy: "Rename the columns in a subquery instead." });
  }
  return { tree: treeOf(join.jointype, left.tree, right.tree, facts), visible: mergedColumns(join.jointype, using, pairs, left, right) };
}

function treeOf(type: Fields<"JoinExpr">["jointype"], left: JoinTree, right: JoinTree, facts: () => Facts): JoinTree {
  switch (type) {
    case "JOIN_LEFT":
      return { kind: "left", left, right, facts };
    case "JOIN_RIGHT":
      return { kind: "left", left: right, right: left, facts };
    case "JOIN_FULL":
      return { kind: "full", left, right, facts };
    default:
      return { kind: "inner", parts: [left, right], facts };
  }
}

/** Columns of USING come first and once: of the side that is kept, of neither in a full join. */
function mergedColumns(type: Fields<"JoinExpr">["jointype"], using: readonly string[], pairs: readonly (readonly [ScopeColumn | undefined, ScopeColumn | undefined])[], left: Part, right: Part): Part["visible"] {
  const merged = using.map((name, index): VisibleColumn => ({ name, column: type === "JOIN_FULL" ? undefined : pairs[index]![type === "JOIN_RIGHT" ? 1 : 0] }));
  const others = [...left.visible, ...right.visible].filter((visible) => visible === undefined || !using.includes(visible.name));
  return [...merged, ...others];
}

function visibleColumn(part: Part, name: string): ScopeColumn | undefined {
  const found = part.visible.filter((visible) => visible?.name === name);
  return found.length === 1 ? found[0]!.column : undefined;
}

function commonNames(left: Part, right: Part, from: Omit<From, "tree">): string[] {
  if (left.visible.includes(undefined) || right.visible.includes(undefined)) {
    from.obstacles.push({ reason: "The columns of a NATURAL JOIN cannot be told.", remedy: "Write JOIN … USING (columns)." });
    return [];
  }
  return left.visible.map((visible) => visible!.name).filter((name) => right.visible.some((visible) => visible!.name === name));
}

/** A column list for rows of which only the names are known. */
export function unknownColumns(names: readonly string[]): ScopeColumn[] {
  return names.map(unknownColumn);
}

function noFacts(): Facts {
  return { equal: [], values: [], semiJoins: [] };
}

import { type Facts, learn } from "./conjuncts.js";
import type { Distribution, Obstacle } from "./distribution.js";
import { Equalities } from "./equalities.js";
import type { Item } from "./scope.js";
import type { ScopeColumn } from "./scope-column.js";
import type { KeySet } from "./statement-plan.js";

/** FROM, as its joins nest. The facts are those of the conditions (ON, USING) of a join itself. */
export type JoinTree =
  | { readonly kind: "item"; readonly item: Item }
  | { readonly kind: "inner"; readonly parts: readonly JoinTree[]; readonly facts: () => Facts }
  | { readonly kind: "left" | "full"; readonly left: JoinTree; readonly right: JoinTree; readonly facts: () => Facts };

/** Split parts that are tied to each other: of a row of one, all that belongs to it is on the same shard. */
export interface Group {
  readonly keys: readonly ScopeColumn[];
  readonly pin: KeySet | undefined;
}

export interface Settled {
  readonly groups: readonly Group[];
  readonly parts: readonly Distribution[];
  readonly obstacles: readonly Obstacle[];
}

/** Learns what holds for every row of the tree: the conditions of inner joins, and those within sides that are kept whole. */
export function learnDown(tree: JoinTree, equalities: Equalities): void {
  if (tree.kind === "inner") {
    for (const part of tree.parts) learnDown(part, equalities);
    learn(equalities, tree.facts());
  } else if (tree.kind === "left") {
    learnDown(tree.left, equalities);
  }
}

/**
 * Outer joins whose missing rows a condition above throws away are inner joins (reduce_outer_joins,
 * optimizer/prep/prepjointree.c); what is learned from them is added.
 */
export function reduceOuterJoins(tree: JoinTree, equalities: Equalities): JoinTree {
  let reduced = tree;
  for (;;) {
    const next = reduceOnce(reduced, equalities);
    if (next === reduced) return reduced;
    reduced = next;
    learnDown(reduced, equalities);
  }
}

function reduceOnce(tree: JoinTree, equalities: Equalities): JoinTree {
  if (tree.kind === "item") return tree;
  if (tree.kind === "inner") {
    const parts = tree.parts.map((part) => reduceOnce(part, equalities));
    return parts.every((part, index) => part === tree.parts[index]) ? tree : { ...tree, parts };
  }
  const needs = (side: JoinTree): boolean => itemsOf(side).some(({ columns }) => columns?.some((column) => equalities.knows(column)));
  if (tree.kind === "left" && needs(tree.right)) return { kind: "inner", parts: [tree.left, tree.right], facts: tree.facts };
  if (tree.kind === "full" && needs(tree.left)) return { ...tree, kind: "left" };
  if (tree.kind === "full" && needs(tree.right)) return { ...tree, kind: "left", left: tree.right, right: tree.left };
  if (tree.kind === "full") return tree;
  const left = reduceOnce(tree.left, equalities);
  return left === tree.left ? tree : { ...tree, left };
}

export function itemsOf(tree: JoinTree): readonly Item[] {
  if (tree.kind === "item") return [tree.item];
  return tree.kind === "inner" ? tree.parts.flatMap(itemsOf) : [...itemsOf(tree.left), ...itemsOf(tree.right)];
}

/** Marks the columns of sides that an outer join fills up with NULLs. */
export function markNullable(tree: JoinTree): void {
  if (tree.kind === "item") return;
  if (tree.kind === "inner") {
    tree.parts.forEach(markNullable);
    return;
  }
  for (const side of tree.kind === "left" ? [tree.right] : [tree.left, tree.right]) {
    for (const { columns } of itemsOf(side)) for (const column of columns ?? []) column.nullable = true;
  }
  markNullable(tree.left);
  markNullable(tree.right);
}

/** What the tree reads, with groups tied as far as the equalities and its own joins tie them. */
export function settle(tree: JoinTree, equalities: Equalities): Settled {
  switch (tree.kind) {
    case "item":
      return settleItem(tree.item, equalities);
    case "inner": {
      const all = tree.parts.map((part) => settle(part, equalities));
      return {
        groups: tied(all.flatMap(({ groups }) => groups), equalities),
        parts: all.flatMap(({ parts }) => parts),
        obstacles: all.flatMap(({ obstacles }) => obstacles),
      };
    }
    case "left":
      return settleLeft(tree, equalities);
    case "full":
      return settleFull(tree, equalities);
  }
}

function settleItem({ distribution, columns = [], relation }: Item, equalities: Equalities): Settled {
  const obstacles = relation?.guarded === true ? [GUARDED] : [];
  if (distribution.kind !== "split") return { groups: [], parts: [distribution], obstacles };
  const keys = columns.filter(({ key }) => key !== undefined);
  return { groups: [{ keys, pin: distribution.pin ?? pinOf(keys, equalities) }], parts: [], obstacles };
}

function settleLeft(tree: Extract<JoinTree, { left: JoinTree }>, equalities: Equalities): Settled {
  const left = settle(tree.left, equalities);
  // Of the right side's rows only those count that fulfil the join's own conditions.
  const within = new Equalities(equalities);
  learnDown(tree.right, within);
  learn(within, tree.facts());
  const right = settle(tree.right, within);
  const apart = right.groups.filter((group) => !left.groups.some((other) => areTied(group, other, within)));
  const along = right.groups.filter((group) => !apart.includes(group));
  // Rows that go along are found by keys that are NULL where there are none: they can tie others, too.
  const groups = left.groups.map((group): Group => ({ ...group, keys: [...group.keys, ...along.filter((other) => areTied(group, other, within)).flatMap(({ keys }) => keys)] }));
  return {
    groups: [...groups, ...apart],
    parts: [...left.parts, ...right.parts],
    obstacles: [...left.obstacles, ...right.obstacles, ...(apart.length > 0 && left.groups.length === 0 ? [REPEATED] : [])],
  };
}

function settleFull(tree: Extract<JoinTree, { left: JoinTree }>, equalities: Equalities): Settled {
  const [left, right] = [tree.left, tree.right].map((side) => {
    const within = new Equalities(equalities);
    learnDown(side, within);
    return settle(side, within);
  }) as [Settled, Settled];
  const within = new Equalities(equalities);
  learn(within, tree.facts());
  const all = [...left.groups, ...right.groups];
  const parts = [...left.parts, ...right.parts];
  const obstacles = [...left.obstacles, ...right.obstacles];
  if (all.length === 0) return { groups: [], parts, obstacles };
  const one = left.groups.length === 1 && right.groups.length === 1 && areTied(left.groups[0]!, right.groups[0]!, within);
  if (one) return { groups: [{ keys: all.flatMap(({ keys }) => keys), pin: undefined }], parts, obstacles };
  return { groups: all, parts, obstacles: [...obstacles, REPEATED] };
}

/** Groups that the equalities tie, made one. */
export function tied(groups: readonly Group[], equalities: Equalities): Group[] {
  const result: Group[] = [];
  for (const group of groups) {
    const same = result.filter((other) => areTied(group, other, equalities));
    const one: Group = { keys: [...group.keys, ...same.flatMap(({ keys }) => keys)], pin: group.pin ?? same.find(({ pin }) => pin !== undefined)?.pin };
    result.splice(0, result.length, ...result.filter((other) => !same.includes(other)), one);
  }
  return result;
}

function areTied(left: Group, right: Group, equalities: Equalities): boolean {
  // Tables that a rule keeps on one shard: all of their rows are together.
  if (left.pin !== undefined && left.pin === right.pin && left.pin.values.length === 1 && left.pin.values[0]!.kind !== "elements") return true;
  return left.keys.some((a) => right.keys.some((b) => a.key!.rule === b.key!.rule && equalities.same(a, b)));
}

/** The keys to which a group is restricted. */
export function pinOf(keys: readonly ScopeColumn[], equalities: Equalities): KeySet | undefined {
  for (const column of keys) {
    const values = equalities.valuesOf(column);
    if (values !== undefined && column.key !== undefined) return { shardOf: column.key.shardOf, dataType: column.key.dataType, values, stored: false };
  }
  return undefined;
}

const GUARDED: Obstacle = {
  reason: "It reads a table whose row security policies have subqueries: they see the rows of one shard only.",
  remedy: "Restrict the statement to one sharding key, or compare with settings in the policies (current_setting('…')).",
};

const REPEATED: Obstacle = {
  reason: "An outer join keeps rows that every shard has, beside rows of a sharded table: each shard would answer for those that have no partner there.",
  remedy: "Use an inner join, let the sharded table be the side that is kept (sharded LEFT JOIN omnisharded), or restrict the sharded table to one key.",
};

import type { Node } from "../../schema/syntax-tree.js";
import { factsOf, learn } from "./conjuncts.js";
import { combined, type Distribution, type Obstacle, wholeOf } from "./distribution.js";
import type { Equalities } from "./equalities.js";
import { type Inspection, inspectExpressions, partsOfEffects } from "./inspect-expressions.js";
import { type Group, type JoinTree, learnDown, markNullable, reduceOuterJoins, settle, tied } from "./join-tree.js";
import type { Context } from "./query-analysis.js";
import type { Level } from "./scope.js";
import type { ScopeColumn } from "./scope-column.js";

/** What is known of one level of a statement: of the rows of FROM that fulfil WHERE. */
export interface SettledLevel {
  readonly distribution: Distribution;
  /** Columns by whose values the rows are on their shards. */
  readonly keys: readonly ScopeColumn[];
  readonly inspection: Inspection;
}

export interface LevelSource {
  readonly tree: JoinTree;
  readonly where: Node | undefined;
  /** Everything that is computed at this level, FROM's functions and conditions and WHERE as well. */
  readonly expressions: readonly unknown[];
  readonly obstacles: readonly Obstacle[];
  readonly sampled: boolean;
}

export function settleLevel(source: LevelSource, level: Level, context: Context): SettledLevel {
  const { equalities } = level;
  learnDown(source.tree, equalities);
  const facts = factsOf([source.where], level);
  learn(equalities, facts);
  const tree = reduceOuterJoins(source.tree, equalities);
  markNullable(tree);

  const parts: Distribution[] = [];
  const linked: Group[] = [];
  for (const { link, columns } of facts.semiJoins) {
    const query = context.analyse(link.subselect!, level);
    if (query.distribution.kind !== "split") {
      parts.push(query.distribution);
      continue;
    }
    columns.forEach((column, place) => {
      const other = query.columns?.[place];
      if (column !== undefined && other !== undefined) equalities.equate(column, other);
    });
    linked.push({ keys: (query.columns ?? []).filter(({ key, nullable }) => key !== undefined && !nullable), pin: query.distribution.pin });
  }

  const settled = settle(tree, equalities);
  // A row that every shard has would be taken on each shard on which the subquery has its like.
  if (settled.groups.length === 0) parts.push(...linked.map(({ pin }) => wholeOf({ kind: "split", pin }, ELSEWHERE)));
  const groups: Group[] = [];
  for (const group of tied(settled.groups.length === 0 ? [] : [...settled.groups, ...linked], equalities)) {
    const followed = followedLevel(group, level, equalities);
    if (followed === undefined) groups.push(group);
    else parts.push({ kind: "follows", levels: new Set([followed]) });
  }

  const done = new Set(facts.semiJoins.map(({ link }) => link));
  const inspection = inspectExpressions(source.expressions, level, context);
  for (const link of inspection.links) {
    if (done.has(link)) continue;
    parts.push(wholeOf(context.analyse(link.subselect!, level).distribution, ELSEWHERE));
  }
  const split = groups.length > 0 || parts.some(({ kind }) => kind === "follows");
  const effects = partsOfEffects(inspection.effects, split);
  if (source.sampled && !split) parts.push({ kind: "each", first: false });
  const obstacles = [...source.obstacles, ...settled.obstacles, ...effects.obstacles, ...(inspection.outerAggregate ? [OUTER_AGGREGATE] : [])];
  const distribution = combined({ level, groups: groups.map(({ pin }) => pin), parts: [...settled.parts, ...parts, ...effects.parts], obstacles });
  return { distribution, keys: groups.flatMap(({ keys }) => keys).filter(({ nullable }) => !nullable), inspection };
}

/** The level around, of whose rows each one has what belongs to it in this group on its own shard. */
function followedLevel(group: Group, level: Level, equalities: Equalities): Level | undefined {
  for (let outer = level.parent; outer !== undefined; outer = outer.parent) {
    const columns = outer.items.flatMap(({ columns: all = [] }) => all.filter(({ key }) => key !== undefined));
    if (group.keys.some((key) => columns.some((column) => column.key!.rule === key.key!.rule && equalities.same(key, column)))) return outer;
  }
  return undefined;
}

/** Whether the column's value says on which shard a row of the level is. */
export function isKey(column: ScopeColumn | undefined, keys: readonly ScopeColumn[], equalities: Equalities): ScopeColumn | undefined {
  if (column === undefined || column.nullable) return undefined;
  return keys.find((key) => equalities.same(key, column));
}

const ELSEWHERE: Obstacle = {
  reason: "A subquery reads a sharded table whose rows are not tied to the outer query's by the sharding key: they may be on other shards.",
  remedy: "Compare the sharding keys in the subquery (… WHERE inner.key = outer.key), restrict both to one and the same key, or ask for the subquery's answer in a statement of its own.",
};

const OUTER_AGGREGATE: Obstacle = {
  reason: "A subquery has an aggregate over the outer query's columns.",
  remedy: "Compute the aggregate in the outer query.",
};

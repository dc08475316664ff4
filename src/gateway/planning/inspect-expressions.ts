import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import type { Distribution, Obstacle } from "./distribution.js";
import { type Effect, effectOf, isAggregate } from "./function-effects.js";
import type { Context } from "./query-analysis.js";
import type { Level } from "./scope.js";
import { searchPathOf } from "./search-path.js";
import { findRelation } from "./sharded-catalog.js";
import { walkTree } from "./walk-tree.js";

/** What the expressions of one level have in them, subqueries' insides excepted. */
export interface Inspection {
  readonly effects: ReadonlySet<Effect>;
  readonly links: readonly Fields<"SubLink">[];
  /** Calls of aggregates that make this level one of groups. */
  readonly aggregates: readonly Fields<"FuncCall">[];
  /** Aggregates that are no function's call (JSON_ARRAYAGG). */
  readonly otherAggregates: boolean;
  readonly windows: readonly Fields<"WindowDef">[];
  /** An aggregate whose arguments are all of a level around: it is computed there. */
  readonly outerAggregate: boolean;
}

/** Columns that every table has (catalog/heap.c): where a row is stored, and by which transaction. */
const SYSTEM_COLUMNS = new Set(["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"]);

/** Strings that are the moment's time where they become a date or time (datetktbl, utils/adt/datetime.c). */
const TIME_WORDS = /^\s*(?:now|today|tomorrow|yesterday)\b/i;

export function inspectExpressions(nodes: readonly unknown[], level: Level, context: Context): Inspection {
  const effects = new Set<Effect>();
  const links: Fields<"SubLink">[] = [];
  const aggregates: Fields<"FuncCall">[] = [];
  const windows: Fields<"WindowDef">[] = [];
  let otherAggregates = false;
  let outerAggregate = false;
  const operator = (name: readonly Node[] | undefined): void => {
    if (context.catalog.userOperators.has(nameOf(name).at(-1) ?? "")) effects.add("unknown");
  };
  const otherAggregate = (): undefined => {
    otherAggregates = true;
    return undefined;
  };
  walkTree(nodes, {
    SubLink: (link) => {
      links.push(link);
      operator(link.operName);
      // The subquery is a level of its own; what it is compared with is of this one.
      const inner = inspectExpressions([link.testexpr], level, context);
      inner.effects.forEach((effect) => effects.add(effect));
      links.push(...inner.links);
      aggregates.push(...inner.aggregates);
      return false;
    },
    FuncCall: (call) => {
      const name = nameOf(call.funcname);
      const args = (call.args ?? []).length + (call.agg_within_group === true ? (call.agg_order ?? []).length : 0);
      effects.add(drawnNumber(call, context) ?? effectOf(context.catalog, name, args));
      if (call.over !== undefined) windows.push(call.over);
      else if (isAggregate(context.catalog, name, args)) {
        if (isOfOuterLevel(call, level)) outerAggregate = true;
        else aggregates.push(call);
      }
      return undefined;
    },
    JsonArrayAgg: otherAggregate,
    JsonObjectAgg: otherAggregate,
    GroupingFunc: otherAggregate,
    SQLValueFunction: ({ op }) => {
      if (op !== undefined && /DATE|TIME/.test(op)) effects.add("time");
      else if (op === "SVFOP_CURRENT_CATALOG") effects.add("server");
      return undefined;
    },
    ColumnRef: ({ fields = [] }) => {
      const last = as(fields.at(-1), "String")?.sval;
      if (last === undefined || level.resolve(fields) !== undefined) return undefined;
      if (SYSTEM_COLUMNS.has(last)) effects.add("server");
      // `u.name` can be a call of name(u).
      else if (fields.length > 1) addCall(last);
      return undefined;
    },
    A_Indirection: ({ indirection = [] }) => {
      for (const part of indirection) addCall(as(part, "String")?.sval);
      return undefined;
    },
    A_Const: ({ sval }) => {
      if (TIME_WORDS.test(sval?.sval ?? "")) context.facts.timeWords = true;
      return undefined;
    },
    A_Expr: ({ name }) => {
      operator(name);
      return undefined;
    },
    SortBy: ({ useOp }) => {
      operator(useOp);
      return undefined;
    },
  });
  function addCall(name: string | undefined): void {
    if (name !== undefined && context.catalog.functions.has(name)) effects.add(effectOf(context.catalog, [name], 1));
  }
  for (const effect of effects) context.facts.effects.add(effect);
  return { effects, links, aggregates, otherAggregates, windows, outerAggregate };
}

/**
 * What the effects add to a level.
 * @param split whether the level has rows of sharded tables: then each row may have a random value of its own
 */
export function partsOfEffects(effects: ReadonlySet<Effect>, split: boolean): { readonly parts: readonly Distribution[]; readonly obstacles: readonly Obstacle[] } {
  const parts: Distribution[] = [];
  const obstacles: Obstacle[] = [];
  if (effects.has("random") && !split) parts.push({ kind: "each", first: false });
  if (effects.has("number") && !split) parts.push({ kind: "each", first: true });
  if (effects.has("sequence") || effects.has("server") || effects.has("lock")) parts.push({ kind: "each", first: true });
  if (effects.has("unknown")) obstacles.push(UNKNOWN_FUNCTION);
  return { parts, obstacles };
}

/** nextval of a sequence that is named as a constant, and of which each shard has numbers of its own. */
function drawnNumber(call: Fields<"FuncCall">, context: Context): Effect | undefined {
  const name = nameOf(call.funcname);
  if (name.at(-1) !== "nextval" || (name.length > 1 && name[0] !== "pg_catalog") || call.args?.length !== 1) return undefined;
  const cast = as(call.args[0], "TypeCast");
  const text = as(cast === undefined ? call.args[0] : cast.arg, "A_Const")?.sval?.sval;
  const parts = text === undefined ? [] : searchPathOf(text.replaceAll(".", ","), "$user");
  if (parts.length === 0 || parts.length > 2) return undefined;
  const found = findRelation(context.catalog, parts.length === 2 ? parts[0]! : "", parts.at(-1)!, context.searchPath);
  return found.kind === "relation" && found.relation.kind === "sequence" && !found.relation.drawnOnce ? "number" : undefined;
}

export const UNKNOWN_FUNCTION: Obstacle = {
  reason: "It calls a function or operator of which it is not known what it reads or changes.",
  remedy: "Declare the function IMMUTABLE if it reads and changes no tables, restrict the statement to one sharding key, or say the shard in a comment: /* pgdog_shard: 0 */.",
};

export function nameOf(name: readonly Node[] | undefined): string[] {
  return (name ?? []).map((part) => as(part, "String")?.sval ?? "");
}

/** Of its columns none is this level's own, though it has some (check_agg_arguments, parser/parse_agg.c). */
function isOfOuterLevel(call: Fields<"FuncCall">, level: Level): boolean {
  let [own, outer] = [false, false];
  walkTree([call.args, call.agg_filter, call.agg_order], {
    ColumnRef: ({ fields }) => {
      const column = level.resolve(fields);
      if (column !== undefined && level.isOuter(column)) outer = true;
      else own = true;
      return undefined;
    },
  });
  return outer && !own;
}

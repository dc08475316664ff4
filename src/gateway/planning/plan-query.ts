import type { Node } from "../../schema/syntax-tree.js";
import { analyseQuery, newFacts } from "./analyse-query.js";
import { deparseChecked } from "./deparse-checked.js";
import type { Distribution, Obstacle } from "./distribution.js";
import { type ExistsOnly, existsOnly } from "./exists-only.js";
import type { Effect } from "./function-effects.js";
import { insertPlan } from "./plan-insert.js";
import type { ParsedStatement } from "./parse-statements.js";
import type { PlanningContext } from "./planning-context.js";
import type { Context, QueryAnalysis, StatementFacts } from "./query-analysis.js";
import { refused, wherePins, withChanges } from "./route-distribution.js";
import type { Gather, RoutedPlan, StatementPlan, Where } from "./statement-plan.js";

/** SELECT, VALUES, INSERT, UPDATE, DELETE, MERGE. */
export function planQuery(statement: ParsedStatement, planning: PlanningContext): StatementPlan {
  const exists = existsOnly(statement.node);
  const { facts, analysis } = analysed(statement.node, planning);
  const [unknown] = facts.missing;
  if (unknown !== undefined) return { ...refused(unknownRelation(unknown.schema, unknown.name)), unknownRelation: unknown };
  const plan = (exists === undefined ? undefined : existsPlan(exists, planning)) ?? routed(analysis, withChanges(analysis.rows, facts), facts);
  return insertPlan(statement, analysis, facts, plan) ?? plan;
}

function analysed(query: Node, planning: PlanningContext): { readonly facts: StatementFacts; readonly analysis: QueryAnalysis } {
  const facts = newFacts();
  const context: Context = {
    catalog: planning.catalog,
    searchPath: planning.searchPath,
    facts,
    analyse: (inner, parent, searchPath) => analyseQuery(inner, parent, searchPath === undefined ? context : { ...context, searchPath }),
  };
  return { facts, analysis: analyseQuery(query, undefined, context) };
}

/** There are such rows where one shard has some. */
function existsPlan({ query, negated }: ExistsOnly, planning: PlanningContext): RoutedPlan | undefined {
  const { facts, analysis } = analysed(query, planning);
  const { distribution } = analysis;
  if (distribution.kind !== "split" || ["drawn", "setting", "lock", "unknown"].some((effect) => facts.effects.has(effect as Effect))) return undefined;
  const where = distribution.pin === undefined ? ({ kind: "every" } as const) : wherePins([distribution.pin]);
  return "reason" in where ? undefined : plan(where, { kind: "aggregate", columns: [{ function: negated ? "bool_and" : "bool_or", bytewise: false }] }, facts);
}

/** The plan of a statement that goes as it is. */
function routed(analysis: QueryAnalysis, rows: Distribution, facts: StatementFacts): RoutedPlan | ReturnType<typeof refused> {
  if (facts.effects.has("drawn")) return refused(DRAWN);
  if (facts.effects.has("setting")) return refused(SETTING);
  if (facts.cursor !== undefined) return plan({ kind: "cursor", name: facts.cursor }, { kind: "union" }, facts);
  if (rows.kind === "split" || rows.kind === "whole") {
    if (facts.effects.has("lock")) return refused(ADVISORY);
    if (facts.everywhere.length > 0) return refused(rows.kind === "whole" ? rows.obstacle : MIXED);
    return rows.kind === "split" ? splitPlan(analysis, rows.pin === undefined ? undefined : wherePins([rows.pin]), facts) : wholePlan(rows, facts);
  }
  if (facts.everywhere.length > 0) {
    const differing = differences(facts);
    return rows.kind === "same" && differing === undefined ? plan({ kind: "every" }, { kind: "same" }, facts) : refused(differing ?? MIXED);
  }
  // Row locks of omnisharded rows exclude each other on the first shard.
  const first = facts.locksOmnisharded || (rows.kind === "each" && rows.first && !facts.changesSharded);
  return plan(first ? { kind: "first" } : { kind: "any" }, facts.changesSharded ? { kind: "union" } : { kind: "same" }, facts);
}

function splitPlan(analysis: QueryAnalysis, pinned: Where | Obstacle | undefined, facts: StatementFacts): RoutedPlan | ReturnType<typeof refused> {
  if (pinned !== undefined && "reason" in pinned) return refused(pinned);
  const where = pinned ?? { kind: "every" };
  // One shard's answer is the whole answer, whatever it is.
  if (where.kind === "fixed") return plan(where, { kind: "union" }, facts);
  const gathering = analysis.gathering();
  const obstacle = "reason" in gathering ? gathering : undefined;
  const text = "reason" in gathering || gathering.tree === undefined ? undefined : (deparseChecked(gathering.tree) ?? UNPRINTABLE);
  const against = obstacle ?? (typeof text === "object" ? text : undefined);
  if (against !== undefined) return pinned === undefined ? refused(against) : plan(where, { kind: "one-shard-only", ...against }, facts);
  const { gather } = gathering as { readonly gather: Gather };
  return { ...plan(where, gather, facts), ...(typeof text === "string" ? { textForSeveral: text } : {}) };
}

function wholePlan({ pins, obstacle }: Extract<Distribution, { kind: "whole" }>, facts: StatementFacts): RoutedPlan | ReturnType<typeof refused> {
  // Nothing says on which shard all rows are that it reads.
  if (pins === undefined || pins.length === 0) return refused(obstacle);
  const where = wherePins(pins);
  if ("reason" in where) return refused(where);
  return plan(where, where.kind === "fixed" ? { kind: "union" } : { kind: "one-shard-only", ...obstacle }, facts);
}

export function plan(where: Where, gather: Gather, facts: StatementFacts): RoutedPlan {
  const writes = facts.locks || facts.changesSharded || facts.everywhere.length > 0 || facts.effects.has("unknown");
  return { kind: "routed", where, gather, writes, definesSchema: false, alone: false, everywhere: facts.everywhere };
}

/** The same plan, refused where it is not for one shard alone. */
export function onOneShard({ kind, where, writes, definesSchema, alone, everywhere }: RoutedPlan, obstacle: Obstacle): RoutedPlan {
  return { kind, where, gather: { kind: "one-shard-only", reason: obstacle.reason, remedy: obstacle.remedy }, writes, definesSchema, alone, everywhere };
}

/** What makes the shards' copies of an omnisharded table differ. */
const DIFFERING: readonly Effect[] = ["time", "random", "number", "sequence", "server", "lock", "unknown"];

export function differences(facts: StatementFacts): Obstacle | undefined {
  if (facts.timeWords) return differs("'now' and the like");
  if (facts.ownDefaults) return differs("a default (a sequence, now())");
  const effect = DIFFERING.find((candidate) => facts.effects.has(candidate));
  return effect === undefined ? undefined : differs({ time: "the clock (now())", random: "a random value", number: "a sequence", sequence: "a sequence" }[effect as string] ?? "a function about the server, or one that is not known");
}

function differs(what: string): Obstacle {
  return {
    reason: `It changes an omnisharded table by ${what}: each shard would come to another value, and its copies would differ.`,
    remedy: "Ask for the value first (SELECT now(), nextval('…')), and give it to the statement as a parameter; or INSERT the rows in a statement of their own, without WITH.",
  };
}

export function unknownRelation(schema: string, name: string): Obstacle {
  return { reason: `The relation ${schema === "" ? name : `${schema}.${name}`} is not known.`, remedy: "Check its name and the search_path." };
}

const MIXED: Obstacle = {
  reason: "It changes an omnisharded table, which is done on every shard, by rows or values that are not the same on all of them.",
  remedy: "Read the values first, and give them to the statement as parameters.",
};

const DRAWN: Obstacle = {
  reason: "currval and lastval tell what a session drew from a sequence on one server: it may have been another shard.",
  remedy: "Use RETURNING, or draw with nextval first; or say the shard in a comment: /* pgdog_shard: 0 */.",
};

const SETTING: Obstacle = {
  reason: "It changes a setting of the session within a larger statement: the session's other shards would not know.",
  remedy: "Use SET or SET LOCAL, or SELECT set_config('name', $1, false) by itself.",
};

const ADVISORY: Obstacle = {
  reason: "It takes an advisory lock or notifies while it reads a sharded table: both work on one shard only, the first.",
  remedy: "Do it in a statement of its own (SELECT pg_advisory_xact_lock(…), SELECT pg_notify(…)), which always goes to the first shard.",
};

const UNPRINTABLE: Obstacle = {
  reason: "The statement has to be changed for several shards (LIMIT, OFFSET, ORDER BY), and its text could not be made.",
  remedy: "Order by columns that are selected, without OFFSET, or restrict it to one sharding key.",
};

/** Whether a statement is one of those that `planQuery` plans. */
export function isQuery(node: Node): boolean {
  return QUERIES.has(Object.keys(node)[0] ?? "");
}

const QUERIES = new Set(["SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"]);

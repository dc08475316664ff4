import type { TableName } from "../../postgres/identifiers.js";
import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import type { ParsedStatement } from "./parse-statements.js";
import { everywhere } from "./plan-definition.js";
import { isQuery, onOneShard, planQuery, unknownRelation } from "./plan-query.js";
import type { PlanningContext } from "./planning-context.js";
import { refused } from "./route-distribution.js";
import { findRelation, type Relation } from "./sharded-catalog.js";
import type { RefusedPlan, RoutedPlan, StatementPlan } from "./statement-plan.js";

/** CURSOR_OPT_HOLD (nodes/parsenodes.h). */
const HOLD = 0x20;

/** Maintenance, cursors, EXPLAIN, SHOW; undefined where it is none of these. */
export function planUtility(statement: ParsedStatement, planning: PlanningContext): StatementPlan | undefined {
  const { node } = statement;
  const truncate = as(node, "TruncateStmt");
  if (truncate !== undefined) return planTables(truncate.relations ?? [], planning);
  const lock = as(node, "LockStmt");
  if (lock !== undefined) return planTables(lock.relations ?? [], planning);
  const explain = as(node, "ExplainStmt");
  if (explain !== undefined) return planExplain(explain, statement, planning);
  const declare = as(node, "DeclareCursorStmt");
  if (declare !== undefined) return planDeclare(declare, statement, planning);
  const fetched = as(node, "FetchStmt")?.portalname ?? as(node, "ClosePortalStmt")?.portalname;
  if (fetched !== undefined) return { ...everywhere({ where: { kind: "cursor", name: fetched }, writes: false }) };
  if (as(node, "ClosePortalStmt") !== undefined || as(node, "CheckPointStmt") !== undefined || as(node, "DiscardStmt") !== undefined) return everywhere({ writes: false });
  if (as(node, "VariableShowStmt") !== undefined) return everywhere({ where: { kind: "any" }, writes: false });
  const vacuum = as(node, "VacuumStmt");
  if (vacuum !== undefined) return everywhere({ alone: vacuum.is_vacuumcmd === true, writes: vacuum.is_vacuumcmd !== true });
  const reindex = as(node, "ReindexStmt");
  if (reindex !== undefined) return everywhere({ alone: isReindexAlone(reindex) });
  const cluster = as(node, "ClusterStmt");
  if (cluster !== undefined) return everywhere({ alone: cluster.relation === undefined });
  return undefined;
}

function isReindexAlone({ kind, params = [] }: Fields<"ReindexStmt">): boolean {
  const concurrently = params.some((param) => as(param, "DefElem")?.defname === "concurrently");
  return concurrently || (kind !== "REINDEX_OBJECT_TABLE" && kind !== "REINDEX_OBJECT_INDEX");
}

/** TRUNCATE and LOCK TABLE: on the shards that have the tables. */
function planTables(nodes: readonly Node[], planning: PlanningContext): RoutedPlan | RefusedPlan {
  const relations: Relation[] = [];
  for (const node of nodes) {
    const { schemaname: schema = "", relname: name = "" } = as(node, "RangeVar") ?? {};
    const found = findRelation(planning.catalog, schema, name, planning.searchPath);
    if (found.kind === "missing") return { ...refused(unknownRelation(schema, name)), unknownRelation: { schema, name } };
    if (found.kind === "system") return refused({ reason: "It changes or locks a system catalog.", remedy: "Say the shard in a comment: /* pgdog_shard: 0 */." });
    relations.push(found.relation);
  }
  const omnisharded = relations.filter(({ placement, kind }) => kind === "table" && placement.kind === "omnisharded");
  const shards = new Set(relations.map(({ placement }) => (placement.kind === "fixed" ? placement.shard : -1)));
  const [shard] = shards;
  if (shards.size === 1 && shard !== undefined && shard >= 0) return everywhere({ where: { kind: "fixed", shard } });
  return everywhere({ everywhere: omnisharded.map(({ schema, name }): TableName => ({ schema, name })) });
}

/** The plan of one shard; where the statement is really run (ANALYZE), of all on which it runs. */
function planExplain(explain: Fields<"ExplainStmt">, statement: ParsedStatement, planning: PlanningContext): StatementPlan {
  const { query } = explain;
  if (query === undefined || !isQuery(query)) {
    return refused({ reason: "EXPLAIN of something else than a query.", remedy: "EXPLAIN the query itself." });
  }
  const inner = planQuery({ ...statement, node: query }, planning);
  const runs = (explain.options ?? []).some((node) => {
    const option = as(node, "DefElem");
    return option?.defname === "analyze" && !/^(?:off|false|0)$/i.test(as(option.arg, "String")?.sval ?? String(as(option.arg, "Integer")?.ival ?? "on"));
  });
  if (inner.kind === "split-insert" || inner.kind === "insert-everywhere") {
    return runs ? refused({ reason: "EXPLAIN ANALYZE of an INSERT that is made of several statements.", remedy: "EXPLAIN it without ANALYZE, or insert one row." }) : everywhere({ where: { kind: "first" }, writes: false });
  }
  if (inner.kind !== "routed") return inner;
  const { where, gather } = inner;
  if (!runs) return everywhere({ where: where.kind === "every" ? { kind: "first" } : where, writes: false });
  return everywhere({ where, writes: inner.writes, everywhere: inner.everywhere, ...(gather.kind === "one-shard-only" ? { gather } : {}) });
}

function planDeclare(declare: Fields<"DeclareCursorStmt">, statement: ParsedStatement, planning: PlanningContext): StatementPlan {
  const query = declare.query === undefined ? undefined : planQuery({ ...statement, node: declare.query }, planning);
  if (query?.kind !== "routed") return query ?? refused(SEVERAL);
  if (query.where.kind === "every") return refused(SEVERAL);
  const declares = { cursor: declare.portalname ?? "", hold: ((declare.options ?? 0) & HOLD) !== 0 };
  return query.where.kind === "keys" ? { ...onOneShard(query, SEVERAL), declares } : { ...query, declares };
}

const SEVERAL = {
  reason: "A cursor is on one shard, and its query is about several.",
  remedy: "Restrict the query to one sharding key, or fetch the rows without a cursor: they are never held in the gateway.",
};

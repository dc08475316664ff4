import { qualifiedName, type TableName, tableId } from "../postgres/identifiers.js";
import { type PlannedStatement, type SchemaPlan, statementsOf } from "./schema-plan.js";

/**
 * The plan with an ANALYZE of each table and materialized view at the end of `post`: rows that were copied have no
 * statistics yet. Of a partition tree the root is named, whose ANALYZE goes through all partitions. Each runs by itself,
 * so that a phase that was killed goes on with those that are missing.
 */
export function withAnalyze(plan: SchemaPlan): SchemaPlan {
  const roots = new Set(plan.keyUnits.map(({ root }) => tableId(root)));
  const analyzed = statementsOf(plan, "pre").filter(({ kind, table }) => table !== undefined && (kind === "materialized view" || (kind === "table" && roots.has(tableId(table)))));
  // Those that depend on a key are made in post.
  const late = statementsOf(plan, "post").filter(({ kind }) => kind === "materialized view");
  return {
    ...plan,
    statements: [
      ...plan.statements.filter(({ phase }) => phase !== "skip"),
      ...[...analyzed, ...late].map(({ table, position }) => analyzeStatement(table!, position)),
      ...statementsOf(plan, "skip"),
    ],
  };
}

function analyzeStatement(name: TableName, position: number): PlannedStatement {
  return {
    position,
    sql: `ANALYZE ${qualifiedName(name)}`,
    original: undefined,
    phase: "post",
    kind: "analyze",
    reason: "added: the planner has no statistics of rows that were copied",
    object: name,
    table: name,
    roles: [],
    presence: { type: "analyzed", name },
    parallel: true,
  };
}

import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import { combined, type Distribution, type Obstacle, SAME, wholeOf } from "./distribution.js";
import type { Context } from "./query-analysis.js";
import { Level, type NamedQuery } from "./scope.js";

/** The level that sees the queries of a WITH; the parent itself where there are none. */
export function openCommonTables(clause: Fields<"WithClause"> | undefined, parent: Level | undefined, context: Context): Level | undefined {
  if (clause === undefined) return parent;
  const level = new Level(parent);
  const tables = (clause.ctes ?? []).flatMap((node) => as(node, "CommonTableExpr") ?? []);
  // WITH RECURSIVE: a query may name those behind it, which hide tables of that name.
  if (clause.recursive === true) for (const table of tables) level.tables.set(table.ctename ?? "", NOT_YET);
  for (const table of tables) {
    const name = table.ctename ?? "";
    const query = clause.recursive === true ? recursiveQuery(table, level, context) : context.analyse(table.ctequery!, level);
    if (as(table.ctequery, "SelectStmt") === undefined) context.facts.changes.push(query.distribution);
    level.tables.set(name, { distribution: query.distribution, columns: named(query.columns, table) });
  }
  return level;
}

/** A query that may read its own rows: right over several shards only where each shard has the same. */
function recursiveQuery(table: Fields<"CommonTableExpr">, level: Level, context: Context): NamedQuery {
  const union = as(table.ctequery, "SelectStmt");
  const name = table.ctename ?? "";
  if (union?.op !== "SETOP_UNION" || union.larg === undefined || union.rarg === undefined) {
    level.tables.delete(name);
    return context.analyse(table.ctequery!, level);
  }
  const within = openCommonTables(union.withClause, level, context)!;
  const first: Node = { SelectStmt: union.larg };
  const start = context.analyse(first, within);
  within.tables.set(name, { distribution: SAME, columns: named(start.columns?.map((column) => ({ ...column, key: undefined })), table) });
  const next = context.analyse({ SelectStmt: union.rarg }, within);
  const parts = [start.distribution, next.distribution].map((part): Distribution => wholeOf(part, RECURSIVE));
  return { distribution: combined({ level: within, groups: [], parts, obstacles: [] }), columns: start.columns?.map((column) => ({ ...column, key: undefined })) };
}

function named(columns: NamedQuery["columns"], table: Fields<"CommonTableExpr">): NamedQuery["columns"] {
  const names = (table.aliascolnames ?? []).map((name) => as(name, "String")?.sval ?? "");
  return columns?.map((column, index) => ({ ...column, name: names[index] ?? column.name }));
}

const RECURSIVE: Obstacle = {
  reason: "A recursive query over a sharded table: what it finds may lead on to rows of other shards.",
  remedy: "Restrict each sharded table in it to one and the same sharding key.",
};

const NOT_YET: NamedQuery = {
  distribution: { kind: "whole", pins: undefined, obstacle: { reason: "A query of WITH RECURSIVE reads one that stands behind it.", remedy: "Put it before those that read it." } },
  columns: undefined,
};

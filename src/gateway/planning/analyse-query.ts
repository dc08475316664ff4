import { as, type Node } from "../../schema/syntax-tree.js";
import { analyseChange } from "./analyse-change.js";
import { analyseInsert, type InsertAnalysis } from "./analyse-insert.js";
import { analyseMerge } from "./analyse-merge.js";
import { analyseSelect } from "./analyse-select.js";
import type { Context, QueryAnalysis, StatementFacts } from "./query-analysis.js";
import type { Level } from "./scope.js";

/** Looks at a query of any depth. */
export function analyseQuery(query: Node, parent: Level | undefined, context: Context): QueryAnalysis | InsertAnalysis {
  const select = as(query, "SelectStmt");
  if (select !== undefined) {
    return select.intoClause === undefined ? analyseSelect(select, parent, context) : never("SELECT INTO makes a table of rows that may be on several shards.", "CREATE TABLE first, then INSERT … SELECT.");
  }
  const insert = as(query, "InsertStmt");
  if (insert !== undefined) return analyseInsert(insert, parent, context);
  const update = as(query, "UpdateStmt");
  if (update !== undefined) return analyseChange(update, "update", parent, context);
  const deletion = as(query, "DeleteStmt");
  if (deletion !== undefined) return analyseChange(deletion, "delete", parent, context);
  const merge = as(query, "MergeStmt");
  if (merge !== undefined) return analyseMerge(merge, parent, context);
  return never("It is a kind of query that is not known.", "Say the shard in a comment: /* pgdog_shard: 0 */.");
}

function never(reason: string, remedy: string): QueryAnalysis {
  const obstacle = { reason, remedy };
  const distribution = { kind: "whole" as const, pins: undefined, obstacle };
  return { distribution, rows: distribution, columns: undefined, gathering: () => obstacle };
}

export function newFacts(): StatementFacts {
  return { effects: new Set(), everywhere: [], changes: [], missing: [], changesSharded: false, ownDefaults: false, locks: false, locksOmnisharded: false, timeWords: false, cursor: undefined };
}

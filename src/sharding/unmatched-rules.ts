import type { ShardedTable, ShardingRules } from "../config/types.js";
import { namesTable, type RoutedTable, ruleApplies } from "./route-of-table.js";

/** A rule that no table makes use of: most often a slip of the pen, and then a table goes where nobody meant it to. */
export interface UnmatchedRule {
  readonly section: "sharded_tables" | "sharded_schemas" | "omnisharded_tables";
  /** What it names, for people: `table`, `schema.table`, `schema`, `column …`. */
  readonly names: string;
}

/** The rules that name a table, schema or column which none of `tables` is or has, in the order written. */
export function unmatchedRules(tables: readonly RoutedTable[], rules: ShardingRules): UnmatchedRule[] {
  return [
    ...rules.tables
      .filter((rule) => !tables.some((table) => ruleApplies(rule, table)))
      .map((rule) => ({ section: "sharded_tables" as const, names: namesOf(rule) })),
    ...rules.schemas
      .map(({ name }) => name)
      .filter((name) => name !== undefined)
      .filter((name) => !tables.some((table) => table.schema === name))
      .map((names) => ({ section: "sharded_schemas" as const, names })),
    ...rules.omnisharded
      .filter((name) => !tables.some((table) => namesTable(name, table)))
      .map((names) => ({ section: "omnisharded_tables" as const, names })),
  ];
}

function namesOf(rule: ShardedTable): string {
  const schema = rule.schema === undefined ? "" : `${rule.schema}.`;
  return rule.name === undefined ? `${rule.schema === undefined ? "" : `schema ${rule.schema}, `}column ${rule.column}` : `${schema}${rule.name}`;
}

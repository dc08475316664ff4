import { type TableName, tableId } from "../postgres/identifiers.js";
import type { Draft } from "./draft.js";
import type { KeyUnit, PlannedStatement } from "./schema-plan.js";

/** Groups key statements by table; a partition tree is one unit, since its keys are attached to one another. */
export function keyUnits(statements: readonly PlannedStatement[], drafts: readonly Draft[]): KeyUnit[] {
  const parents = new Map<string, TableName>();
  for (const draft of drafts) if (draft.kind === "partition") parents.set(tableId(draft.attaches!.child), draft.attaches!.parent);
  const rootOf = (table: TableName): TableName => {
    let root = table;
    for (let parent = parents.get(tableId(root)); parent !== undefined; parent = parents.get(tableId(root))) root = parent;
    return root;
  };
  const units = new Map<string, { root: TableName; tables: TableName[]; statements: PlannedStatement[] }>();
  for (const draft of drafts) {
    if (draft.kind !== "table" || draft.table === undefined) continue;
    const root = rootOf(draft.table);
    const unit = units.get(tableId(root)) ?? { root, tables: [], statements: [] };
    unit.tables.push(draft.table);
    units.set(tableId(root), unit);
  }
  for (const statement of statements) {
    if (statement.table === undefined) continue;
    units.get(tableId(rootOf(statement.table)))?.statements.push(statement);
  }
  return [...units.values()];
}

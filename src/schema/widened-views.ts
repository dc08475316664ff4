import { type TableName, tableId } from "../postgres/identifiers.js";
import { as, type Fields, nameParts, type Node, qualified, relationName } from "./syntax-tree.js";

/** The widened columns of relations by `tableId`. */
export type WidenedRelations = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Adds to the widened tables the columns of views that show widened columns as they are, over any number of views.
 * Expressions other than min, max and COALESCE over them are not followed.
 */
export function withViews(tables: WidenedRelations, views: readonly Fields<"ViewStmt">[]): WidenedRelations {
  const relations = new Map(tables);
  for (let changed = true; changed; ) {
    changed = false;
    for (const view of views) {
      const select = as(view.query, "SelectStmt");
      const id = tableId(relationName(view.view));
      const aliases = nameParts(view.aliases ?? []);
      const columns = new Set(relations.get(id));
      const before = columns.size;
      if (select !== undefined) outputs(select, new Map(), relations).forEach(({ name, widened }, index) => widened && columns.add(aliases[index] ?? name));
      if (columns.size === before) continue;
      relations.set(id, columns);
      changed = true;
    }
  }
  return relations;
}

interface Output {
  readonly name: string;
  readonly widened: boolean;
}

/** Widened columns by the names that the query knows its tables by. */
type Scope = Map<string, ReadonlySet<string>>;

function outputs(select: Fields<"SelectStmt">, outer: ReadonlyMap<string, ReadonlySet<string>>, relations: WidenedRelations): Output[] {
  const named: Scope = new Map(outer);
  for (const item of select.withClause?.ctes ?? []) {
    const cte = as(item, "CommonTableExpr");
    const query = as(cte?.ctequery, "SelectStmt");
    if (cte !== undefined && query !== undefined) named.set(cte.ctename ?? "", widenedNames(outputs(query, named, relations), nameParts(cte.aliascolnames ?? [])));
  }
  if (select.larg !== undefined && select.rarg !== undefined) {
    const right = outputs(select.rarg, named, relations);
    return outputs(select.larg, named, relations).map(({ name, widened }, index) => ({ name, widened: widened || right[index]?.widened === true }));
  }
  const scope: Scope = new Map();
  for (const item of select.fromClause ?? []) readFrom(item, scope, named, relations);
  return (select.targetList ?? []).map((item) => {
    const target = as(item, "ResTarget");
    return { name: target?.name ?? nameParts(as(target?.val, "ColumnRef")?.fields ?? []).at(-1) ?? "", widened: isWidened(target?.val, scope) };
  });
}

function readFrom(item: Node, scope: Scope, named: ReadonlyMap<string, ReadonlySet<string>>, relations: WidenedRelations): void {
  const join = as(item, "JoinExpr");
  if (join !== undefined) {
    for (const side of [join.larg, join.rarg]) if (side !== undefined) readFrom(side, scope, named, relations);
    return;
  }
  const range = as(item, "RangeVar");
  if (range !== undefined) {
    const table: TableName = relationName(range);
    const columns = (table.schema === "" ? named.get(table.name) : undefined) ?? relations.get(tableId(table)) ?? new Set<string>();
    scope.set(range.alias?.aliasname ?? table.name, columns);
    return;
  }
  const subselect = as(item, "RangeSubselect");
  const query = as(subselect?.subquery, "SelectStmt");
  if (query !== undefined) scope.set(subselect?.alias?.aliasname ?? "", widenedNames(outputs(query, named, relations), nameParts(subselect?.alias?.colnames ?? [])));
}

function isWidened(node: Node | undefined, scope: Scope): boolean {
  const reference = as(node, "ColumnRef");
  if (reference !== undefined) {
    const { schema: table, name: column } = qualified(nameParts(reference.fields ?? []));
    return table === "" ? [...scope.values()].some((columns) => columns.has(column)) : scope.get(table)?.has(column) === true;
  }
  const call = as(node, "FuncCall");
  const parts = as(node, "CoalesceExpr")?.args ?? (["min", "max"].includes(nameParts(call?.funcname ?? []).at(-1) ?? "") ? call?.args : undefined) ?? [];
  return parts.some((part) => isWidened(part, scope));
}

function widenedNames(columns: readonly Output[], aliases: readonly string[]): Set<string> {
  return new Set(columns.flatMap(({ name, widened }, index) => (widened ? [aliases[index] ?? name] : [])));
}

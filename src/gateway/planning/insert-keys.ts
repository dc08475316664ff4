import { as, type Fields, type Node } from "../../schema/syntax-tree.js";
import type { Obstacle } from "./distribution.js";
import { keyConstant } from "./key-constant.js";
import { parseStatements } from "./parse-statements.js";
import type { ScopeColumn } from "./scope-column.js";
import { columnOf, type KeyRoute, type Relation } from "./sharded-catalog.js";
import type { KeySet, KeyValue } from "./statement-plan.js";

/** What decides the shard of a row that is inserted. */
export type RowKey =
  | { readonly kind: "key"; readonly set: KeySet }
  /** The shard that inserts it makes it. */
  | { readonly kind: "own" }
  | { readonly kind: "obstacle"; readonly obstacle: Obstacle };

/** The names of the columns that an INSERT gives, in order. */
export function insertedColumns(insert: Fields<"InsertStmt">, relation: Relation): readonly string[] {
  const named = (insert.cols ?? []).map((node) => as(node, "ResTarget")?.name ?? "");
  return named.length > 0 ? named : relation.columns.map(({ name }) => name);
}

/** The key of one row of VALUES; `expression` is undefined where the row gives the column nothing. */
export function rowKey(expression: Node | undefined, relation: Relation, route: KeyRoute): RowKey {
  if (expression === undefined || as(expression, "SetToDefault") !== undefined) return defaultKey(relation, route);
  const value = keyConstant(expression, route.dataType);
  return value === undefined ? { kind: "obstacle", obstacle: computed(route) } : { kind: "key", set: storedKey(relation, route, value) };
}

function defaultKey(relation: Relation, route: KeyRoute): RowKey {
  const column = columnOf(relation, route.column);
  const standard = column?.identity === undefined ? column?.default : undefined;
  switch (standard?.kind) {
    case "own-key":
      return { kind: "own" };
    case "none":
      return { kind: "key", set: storedKey(relation, route, { kind: "constant", bytes: null }) };
    case "stable": {
      const value = keyConstant(expressionOf(standard.expression), route.dataType);
      if (value !== undefined) return { kind: "key", set: storedKey(relation, route, value) };
      break;
    }
    default:
  }
  const obstacle = {
    reason: `The row's sharding key ${route.column} comes from a default that a shard would compute, which decides the shard.`,
    remedy: `Give ${route.column} in the statement, as a constant or a parameter (SELECT gen_random_uuid() or nextval('…') gives one), or run the cutover phase of the schema sync, after which a sequence's default gives keys of its own shard.`,
  };
  return { kind: "obstacle", obstacle };
}

export function storedKey(relation: Relation, route: KeyRoute, value: KeyValue): KeySet {
  const maxLength = columnOf(relation, route.column)?.maxLength;
  return { shardOf: route.shardOf, dataType: route.dataType, values: [value], stored: true, ...(maxLength === undefined ? {} : { maxLength }) };
}

/** Whether a key of the source is the same key in the target: a `varchar(n)` cuts blanks off longer ones. */
export function keepsItsKey(source: ScopeColumn | undefined, relation: Relation, route: KeyRoute): boolean {
  const maxLength = columnOf(relation, route.column)?.maxLength;
  return source?.key?.rule === route.rule && (maxLength === undefined || (source.maxLength !== undefined && source.maxLength <= maxLength));
}

/** The tree of an expression that stands by itself. */
export function expressionOf(text: string): Node | undefined {
  const parsed = parseStatements(`SELECT ${text}`);
  if (!("statements" in parsed)) return undefined;
  return as(as(parsed.statements[0]?.node, "SelectStmt")?.targetList?.[0], "ResTarget")?.val;
}

function computed(route: KeyRoute): Obstacle {
  return {
    reason: `The row's sharding key ${route.column} is an expression that a shard would compute, which decides the shard.`,
    remedy: `Give ${route.column} as a constant or a parameter; ask for computed keys first (SELECT …).`,
  };
}

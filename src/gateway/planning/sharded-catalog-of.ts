import type { ShardedTable, ShardingRules } from "../../config/types.js";
import { ReshardError } from "../../errors.js";
import { displayName } from "../../postgres/identifiers.js";
import { keyRouter } from "../../sharding/key-router.js";
import { routeOfTable, type RoutedTable, ruleOfTable } from "../../sharding/route-of-table.js";
import { ruleId } from "../../sharding/rule-id.js";
import type { CarryRow, ColumnRow, FunctionRow, RelationRow, TriggerRow, UniqueKeyRow } from "./catalog-queries.js";
import { classifyDefault } from "./classify-default.js";
import type { CatalogColumn, FunctionFacts, KeyRoute, Placement, Relation, ShardedCatalog } from "./sharded-catalog.js";

/** A shard's catalog as it was read. */
export interface CatalogRows {
  readonly relations: readonly RelationRow[];
  readonly columns: readonly ColumnRow[];
  readonly uniqueKeys: readonly UniqueKeyRow[];
  readonly triggers: readonly TriggerRow[];
  readonly carries: readonly CarryRow[];
  readonly functions: readonly FunctionRow[];
  readonly operators: readonly string[];
  readonly systemRelations: readonly string[];
}

/** What planning needs, with every table's place. */
export function shardedCatalog(rows: CatalogRows, rules: ShardingRules, shards: number): ShardedCatalog {
  const functions = functionsOf(rows.functions);
  const placed = new Map<string, KeyRoute>();
  const keyRules = rules.tables.map((rule) => keyRoute(rule, shards, placed));
  const partial = { functions } as const;
  const byRelation = <R extends { readonly relation: number }>(list: readonly R[]): Map<number, R[]> => {
    const found = new Map<number, R[]>();
    for (const row of list) found.set(row.relation, [...(found.get(row.relation) ?? []), row]);
    return found;
  };
  const [columns, uniqueKeys, triggers] = [byRelation(rows.columns), byRelation(rows.uniqueKeys), byRelation(allTriggers(rows))];
  const names = new Map(rows.relations.map((row) => [row.oid, row]));
  const relations = rows.relations.map((row): Heir => {
    const own = (columns.get(row.oid) ?? []).map((column) => columnOf(column, partial));
    const root = names.get(row.root) ?? row;
    const place = row.kind === "r" || row.kind === "p" ? placementOf({ schema: root.schema, name: root.name, columns: own }, rules, shards, placed) : undefined;
    return {
      oid: row.oid,
      parents: row.parents,
      users: row.users,
      drawnOnce: false,
      carried: { update: new Set(), delete: false },
      guarded: row.guarded,
      schema: row.schema,
      name: row.name,
      kind: KINDS[row.kind] ?? "foreign",
      columns: own,
      placement: place?.placement ?? { kind: "omnisharded" },
      unusable: place?.unusable,
      definition: row.definition ?? undefined,
      materialized: row.kind === "m",
      uniqueKeys: (uniqueKeys.get(row.oid) ?? []).map((key) => ({ name: key.name, columns: key.columns ?? undefined, partial: key.partial, nullable: key.nullable })),
      triggers: new Set((triggers.get(row.oid) ?? []).flatMap(({ kinds }) => TRIGGER_KINDS.flatMap(([bit, kind]) => ((kinds & bit) === 0 ? [] : [kind])))),
      rewritten: row.rewritten,
    };
  });
  return {
    shards,
    relations: bySchema(withCarries(withDraws(withHeirs(relations)), rows.carries)),
    systemRelations: new Set(rows.systemRelations),
    functions,
    userOperators: new Set(rows.operators),
    keyRules: keyRules.filter((rule, index) => keyRules.findIndex((other) => other.rule === rule.rule) === index),
  };
}

const KINDS: Readonly<Record<string, Relation["kind"]>> = { r: "table", p: "table", v: "view", m: "view", S: "sequence", f: "foreign" };

/** catalog/pg_trigger.h */
const TRIGGER_KINDS = [[4, "insert"], [8, "delete"], [16, "update"], [32, "truncate"]] as const;

type Heir = Relation & { readonly oid: number; readonly parents: readonly number[]; readonly users: readonly number[] };

/** As schema/plan-sequences.ts has it: every other sequence is interleaved, also one that no table uses. */
function withDraws(relations: readonly Heir[]): readonly Heir[] {
  const known = new Map(relations.map((relation) => [relation.oid, relation]));
  return relations.map((relation) => {
    const users = relation.users.flatMap((user) => known.get(user) ?? []);
    return users.length > 0 && users.every(({ placement }) => placement.kind === "omnisharded") ? { ...relation, drawnOnce: true } : relation;
  });
}

function withCarries(relations: readonly Heir[], carries: readonly CarryRow[]): readonly Relation[] {
  const known = new Map(relations.map((relation) => [relation.oid, relation]));
  const keyed = carries.filter(({ child, child_column: column }) => {
    const placement = known.get(child)?.placement;
    return placement?.kind === "key" && placement.column === column;
  });
  return relations.map((relation) => {
    const own = keyed.filter(({ parent }) => parent === relation.oid);
    if (own.length === 0) return relation;
    return { ...relation, carried: { update: new Set(own.filter((carry) => carry.on_update).map((carry) => carry.parent_column)), delete: own.some((carry) => carry.on_delete) } };
  });
}

/** A table whose heirs' rows are placed otherwise cannot be read as one: its rows are not where its rule says. */
function withHeirs(relations: readonly Heir[]): readonly Heir[] {
  const known = new Map(relations.map((relation) => [relation.oid, relation]));
  const unlike = new Map<number, Heir>();
  for (const heir of relations) {
    for (const parent of heir.parents) {
      const other = known.get(parent);
      if (other !== undefined && !samePlace(heir.placement, other.placement)) unlike.set(parent, heir);
    }
  }
  return relations.map((relation) => {
    const heir = unlike.get(relation.oid);
    if (heir === undefined || relation.unusable !== undefined) return relation;
    return { ...relation, unusable: `Rows of ${displayName(relation)} are also in ${displayName(heir)}, which inherits from it and is sharded otherwise.` };
  });
}

function samePlace(left: Placement, right: Placement): boolean {
  if (left.kind === "key" && right.kind === "key") return left.rule === right.rule && left.column === right.column;
  return left.kind === right.kind && (left.kind !== "fixed" || right.kind !== "fixed" || left.shard === right.shard);
}

function bySchema(relations: readonly Relation[]): Map<string, Map<string, Relation>> {
  const schemas = new Map<string, Map<string, Relation>>();
  for (const relation of relations) {
    const schema = schemas.get(relation.schema) ?? new Map<string, Relation>();
    schemas.set(relation.schema, schema.set(relation.name, relation));
  }
  return schemas;
}

/** A trigger of a partition fires for rows that go through its parent. */
function allTriggers({ relations, triggers }: CatalogRows): TriggerRow[] {
  const parents = new Map(relations.map(({ oid, parents: own }) => [oid, own]));
  const ofAncestors = (relation: number, kinds: number): TriggerRow[] =>
    (parents.get(relation) ?? []).flatMap((parent) => [{ relation: parent, kinds }, ...ofAncestors(parent, kinds)]);
  return triggers.flatMap((trigger) => [trigger, ...ofAncestors(trigger.relation, trigger.kinds)]);
}

function placementOf(table: RoutedTable, rules: ShardingRules, shards: number, placed: Map<string, KeyRoute>): { readonly placement: Placement; readonly unusable?: string } {
  try {
    const route = routeOfTable(table, rules, shards);
    if (route.kind !== "key") return { placement: route };
    return { placement: { ...keyRoute(ruleOfTable(table, rules.tables)!, shards, placed), column: route.column } };
  } catch (error) {
    if (!(error instanceof ReshardError)) throw error;
    return { placement: { kind: "omnisharded" }, unusable: error.message };
  }
}

/** Rules that send equal values to the same shard share their router, so that they can be known by it. */
function keyRoute(rule: ShardedTable, shards: number, placed: Map<string, KeyRoute>): KeyRoute {
  const text = ruleId(rule);
  const drawable = rule.dataType === "bigint" && rule.hasher === "postgres" && rule.mapping.length === 0;
  const route = placed.get(text) ?? { kind: "key", column: rule.column, dataType: rule.dataType, shardOf: keyRouter(rule, shards), rule: text, drawable };
  placed.set(text, route);
  return route;
}

/** Types that compare in one way only, wherever they do. */
const ORDERED = new Set(["int2", "int4", "int8", "oid", "float4", "float8", "numeric", "bool", "date", "time", "timestamp", "timestamptz", "uuid"]);

function columnOf(row: ColumnRow, catalog: Pick<ShardedCatalog, "functions">): CatalogColumn {
  const text = row.type === "text" || row.type === "varchar" || row.type === "name";
  return {
    name: row.name,
    type: row.type,
    order: ORDERED.has(row.type) ? "value" : text && row.bytewise ? "bytewise" : "unknown",
    deterministic: row.deterministic,
    notNull: row.not_null,
    maxLength: row.max_length ?? undefined,
    default: classifyDefault(row.default, catalog),
    generated: row.generated,
    identity: row.identity === "a" ? "always" : row.identity === "d" ? "by default" : undefined,
  };
}

const VOLATILITIES = { i: "immutable", s: "stable", v: "volatile" } as const;
const FUNCTION_KINDS = { f: "function", a: "aggregate", w: "window", p: "procedure" } as const;

function functionsOf(rows: readonly FunctionRow[]): Map<string, FunctionFacts[]> {
  const functions = new Map<string, FunctionFacts[]>();
  for (const row of rows) {
    const facts: FunctionFacts = {
      schema: row.schema,
      // A variadic argument may be left out altogether.
      least: row.variadic ? row.least - 1 : row.least,
      most: row.variadic ? Infinity : row.most,
      volatility: VOLATILITIES[row.volatility as keyof typeof VOLATILITIES],
      kind: FUNCTION_KINDS[row.kind as keyof typeof FUNCTION_KINDS],
      origin: row.schema === "pg_catalog" || row.schema === "information_schema" ? "system" : row.extension ? "extension" : "user",
    };
    const known = functions.get(row.name);
    if (known === undefined) functions.set(row.name, [facts]);
    else known.push(facts);
  }
  return functions;
}

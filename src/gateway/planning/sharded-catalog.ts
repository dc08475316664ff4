import type { KeyType } from "../../config/types.js";
import type { TableName } from "../../postgres/identifiers.js";
import type { TableRoute } from "../../sharding/table-route.js";

/** What planning needs to know of a sharded database: as one shard has it, all shards being alike. */
export interface ShardedCatalog {
  readonly shards: number;
  /** Of every schema but the system's, by schema and then by name. */
  readonly relations: ReadonlyMap<string, ReadonlyMap<string, Relation>>;
  /** Names in `pg_catalog`: they come before the search path. */
  readonly systemRelations: ReadonlySet<string>;
  /** By name; overloaded ones together, those of `pg_catalog` too. */
  readonly functions: ReadonlyMap<string, readonly FunctionFacts[]>;
  /** Names of operators that users have defined: what they do is unknown. */
  readonly userOperators: ReadonlySet<string>;
  /** The database's rules by which rows are sharded, each once: what a key that is told by a comment is routed by. */
  readonly keyRules: readonly KeyRoute[];
}

export type KeyRoute = Extract<TableRoute, { kind: "key" }> & {
  /** Equal for rules that send equal values to the same shard. */
  readonly rule: string;
  /** A shard can draw keys of its own from a sequence: integers by PostgreSQL's own hash. */
  readonly drawable: boolean;
};

/** Where the rows of a relation are; `rule` as in `KeyRoute`. */
export type Placement =
  | { readonly kind: "omnisharded" }
  | { readonly kind: "fixed"; readonly shard: number }
  | KeyRoute;

export interface Relation extends TableName {
  readonly kind: "table" | "view" | "sequence" | "foreign";
  readonly columns: readonly CatalogColumn[];
  /** Of tables and foreign tables. */
  readonly placement: Placement;
  /** Why nothing can be planned with it; else undefined. */
  readonly unusable: string | undefined;
  /** Of views and materialized views: their query, all names with their schemas. */
  readonly definition: string | undefined;
  readonly materialized: boolean;
  readonly uniqueKeys: readonly UniqueKey[];
  /** Kinds of statements that fire a trigger whose function is not declared IMMUTABLE: what it does is unknown. */
  readonly triggers: ReadonlySet<"insert" | "update" | "delete" | "truncate">;
  /** A sequence that only omnisharded tables use: the shards' numbers are not told apart, so that one shard has to draw all. */
  readonly drawnOnce: boolean;
  /** Columns of which a foreign key carries changes, or a deletion, into the sharding key of another table. */
  readonly carried: { readonly update: ReadonlySet<string>; readonly delete: boolean };
  /** Its row security policies have subqueries, of which it is not known what they read. */
  readonly guarded: boolean;
  /** It has rules (CREATE RULE) that rewrite changes of it. */
  readonly rewritten: boolean;
}

export interface UniqueKey {
  /** Of its index, which is its constraint's, too. */
  readonly name: string;
  /** undefined where it is over expressions. */
  readonly columns: readonly string[] | undefined;
  /** It has a WHERE. */
  readonly partial: boolean;
  /** It can hold equal rows: it is deferrable or one of its columns may be NULL. */
  readonly nullable: boolean;
}

export interface CatalogColumn {
  readonly name: string;
  /** `pg_type.typname`; of the base type where it is a domain. */
  readonly type: string;
  /** How its values compare outside of a server: `bytewise` is text under the C collation. */
  readonly order: "value" | "bytewise" | "unknown";
  /** Equal values have equal bytes (no nondeterministic collation). */
  readonly deterministic: boolean;
  readonly notNull: boolean;
  /** n of `varchar(n)`. */
  readonly maxLength: number | undefined;
  readonly default: ColumnDefault;
  readonly generated: boolean;
  readonly identity: "always" | "by default" | undefined;
}

export type ColumnDefault =
  | { readonly kind: "none" }
  /** The same wherever it is computed: `expression` is its text. */
  | { readonly kind: "stable"; readonly expression: string }
  /** A key of the shard that computes it (reshard.next_key). */
  | { readonly kind: "own-key" }
  /** Sequences, now(), random values: each shard has its own. */
  | { readonly kind: "volatile"; readonly expression: string };

export interface FunctionFacts {
  readonly schema: string;
  /** How many arguments it takes; `most` is Infinity where it is variadic. */
  readonly least: number;
  readonly most: number;
  readonly volatility: "immutable" | "stable" | "volatile";
  readonly kind: "function" | "aggregate" | "window" | "procedure";
  /** `system` is pg_catalog's, `extension` came with CREATE EXTENSION. */
  readonly origin: "system" | "extension" | "user";
}

/** Types (`pg_type.typname`) of which equal values are equal keys, whichever of them two columns have. */
const KEY_FAMILIES: Readonly<Record<string, KeyType>> = { int2: "bigint", int4: "bigint", int8: "bigint", uuid: "uuid", text: "varchar", varchar: "varchar" };

/** The kind of sharding key that values of a column are alike to; undefined where equality is not that of bytes. */
export function keyFamily(column: Pick<CatalogColumn, "type" | "deterministic">): KeyType | undefined {
  return column.deterministic ? KEY_FAMILIES[column.type] : undefined;
}

export function columnOf(relation: Relation, name: string): CatalogColumn | undefined {
  return relation.columns.find((column) => column.name === name);
}

/** A relation by the name that a statement gives it. */
export type FoundRelation = { readonly kind: "relation"; readonly relation: Relation } | { readonly kind: "system" } | { readonly kind: "missing" };

/**
 * @param schema empty where the statement names none: then it is looked for along the path
 * @param searchPath schemas in order, `$user` replaced
 */
export function findRelation(catalog: ShardedCatalog, schema: string, name: string, searchPath: readonly string[]): FoundRelation {
  const path = schema !== "" ? [schema] : searchPath.includes("pg_catalog") ? searchPath : ["pg_catalog", ...searchPath];
  for (const candidate of path) {
    if (candidate === "information_schema" || candidate === "pg_catalog" || candidate === "pg_toast") {
      if (candidate !== "pg_catalog" || schema !== "" || catalog.systemRelations.has(name)) return { kind: "system" };
      continue;
    }
    const relation = catalog.relations.get(candidate)?.get(name);
    if (relation !== undefined) return { kind: "relation", relation };
  }
  return { kind: "missing" };
}

/** The functions that a call of `name` with `args` arguments may mean; empty where none is known. */
export function findFunctions(catalog: Pick<ShardedCatalog, "functions">, schema: string, name: string, args: number): readonly FunctionFacts[] {
  return (catalog.functions.get(name) ?? []).filter(
    (candidate) => (schema === "" || candidate.schema === schema) && candidate.least <= args && args <= candidate.most,
  );
}

import type { SequenceStrategy } from "../../config/types.js";
import type { CatalogColumn, Relation, ShardedCatalog } from "./sharded-catalog.js";

/** A default that draws from a sequence and does nothing else, but for a cast, as `pg_get_expr` prints it. */
const PLAIN_DRAW = /^\(?nextval\('(?:[^']|'')*'::regclass\)\)?(?:::[\w ".]+)?$/;

/**
 * The catalog of a database that is still to be resharded, as its shards' will be: sharding keys that come from a
 * sequence are drawn by the shard that they belong to (the cutover phase of the schema sync; see schema/plan-sequences.ts).
 */
export function asAfterCutover(catalog: ShardedCatalog, strategy: SequenceStrategy): ShardedCatalog {
  if (strategy !== "sharded") return catalog;
  const relations = new Map([...catalog.relations].map(([schema, tables]) => [schema, new Map([...tables].map(([name, table]) => [name, withOwnKeys(table)]))]));
  return { ...catalog, relations };
}

function withOwnKeys(relation: Relation): Relation {
  const { placement } = relation;
  if (placement.kind !== "key" || !placement.drawable) return relation;
  const drawn = (column: CatalogColumn): boolean => column.identity !== undefined || (column.default.kind === "volatile" && PLAIN_DRAW.test(column.default.expression));
  const columns = relation.columns.map((column): CatalogColumn => (column.name === placement.column && drawn(column) ? { ...column, default: { kind: "own-key" }, identity: undefined } : column));
  return { ...relation, columns };
}

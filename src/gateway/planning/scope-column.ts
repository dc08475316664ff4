import type { KeyType } from "../../config/types.js";
import { type CatalogColumn, keyFamily, type KeyRoute, type Relation } from "./sharded-catalog.js";

/** A column as it can be named in one place of a statement. Known by its identity: each range of a query has its own. */
export interface ScopeColumn {
  readonly name: string;
  /** See `keyFamily`; undefined where it is not known. */
  readonly family: KeyType | undefined;
  readonly order: CatalogColumn["order"];
  /** `pg_type.typname`, where it is known. */
  readonly type: string | undefined;
  /** n of `varchar(n)`. */
  readonly maxLength: number | undefined;
  /** By its value rows are on their shards. */
  readonly key: KeyRoute | undefined;
  /** It comes from the side of an outer join that may be missing: then it is NULL on any shard. */
  nullable: boolean;
}

/** A column of which nothing is known but its name. */
export function unknownColumn(name: string): ScopeColumn {
  return { name, family: undefined, order: "unknown", type: undefined, maxLength: undefined, key: undefined, nullable: false };
}

/** The columns of a table, for one range of a statement. */
export function columnsOf(relation: Relation): ScopeColumn[] {
  const { placement } = relation;
  return relation.columns.map((column) => {
    const family = keyFamily(column);
    const isKey = placement.kind === "key" && placement.column === column.name && family === placement.dataType;
    return { name: column.name, family, order: column.order, type: column.type, maxLength: column.maxLength, key: isKey ? placement : undefined, nullable: false };
  });
}

/** The same column under a name of its own, in another range. */
export function renamed(column: ScopeColumn, name: string): ScopeColumn {
  return { ...column, name, key: column.nullable ? undefined : column.key };
}

import type { Column, PublishedTable } from "../postgres/catalog.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { TableShape } from "../table-batch.js";
import type { RootedTable } from "./table-chain.js";

/** A published table as operators see it. */
export function shapeOf({ schema, name, columns, key, root }: PublishedTable): TableShape & RootedTable {
  return { schema, name, root, columns: columns.map((column) => ({ name: column.name, type: typeOf(column), partOfKey: key.includes(column.name) })) };
}

/** The same of a streamed relation, whose columns may be fewer and in another order. */
export function shapeOfRelation({ schema, name, columns }: PgoutputRelation, published: PublishedTable): TableShape & RootedTable {
  const types = new Map(published.columns.map((column) => [column.name, typeOf(column)]));
  return { schema, name, root: published.root, columns: columns.map((column) => ({ name: column.name, type: types.get(column.name) ?? "unknown", partOfKey: published.key.includes(column.name) })) };
}

function typeOf({ isEnum, baseType }: Column): string {
  return isEnum === true ? "enum" : baseType;
}

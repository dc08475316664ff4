import type { SqlTable } from "../../operators/sql-of-rows.js";
import type { PublishedTable } from "../../postgres/catalog.js";
import type { TableName } from "../../postgres/identifiers.js";

/** `schema.table`, or `table` in the schema public. Where a name has a dot, the schema is given beside it. */
export function tableNamed(name: string, schema: string | undefined): TableName {
  const dot = schema === undefined ? name.indexOf(".") : -1;
  return { schema: schema ?? (dot < 0 ? "public" : name.slice(0, dot)), name: name.slice(dot + 1) };
}

/** A table as statements are written for it. */
export function sqlTable({ schema, name, columns, key, partitioned }: PublishedTable): SqlTable {
  return {
    schema,
    name,
    columns: columns.map((column) => ({ name: column.name, type: column.baseType })),
    key,
    identityAlways: columns.filter(({ identity }) => identity === "always").map((column) => column.name),
    partitioned,
  };
}

import type { OperatorChain } from "../../operators/operator-chain.js";
import type { SqlTable } from "../../operators/sql-of-rows.js";
import type { PublishedTable } from "../../postgres/catalog.js";
import type { TableName } from "../../postgres/identifiers.js";
import type { PgoutputRelation } from "../../postgres/pgoutput-message.js";
import { oidOf } from "../table-chains.js";

/** `schema.table`, or `table` in the schema public. Where a name has a dot, the schema is given beside it. */
export function tableNamed(name: string, schema: string | undefined): TableName {
  const dot = schema === undefined ? name.indexOf(".") : -1;
  return { schema: schema ?? (dot < 0 ? "public" : name.slice(0, dot)), name: name.slice(dot + 1) };
}

/** A table as it is behind a flow's operators, which may give other names and add columns. */
export function flowTableAfter(table: PublishedTable, chain: OperatorChain | undefined): PublishedTable {
  if (chain === undefined) return table;
  const { schema, name, columns } = chain.output;
  return {
    ...table,
    schema,
    name,
    root: schema === table.schema && name === table.name ? table.root : { schema, name },
    key: columns.filter(({ partOfKey }) => partOfKey).map((column) => column.name),
    columns: columns.map((column, index) => {
      const from = table.columns[index];
      // What is not known of a column that an operator has made is not asked, or is found where it goes to.
      return from === undefined
        ? { name: column.name, typeOid: oidOf(column.type) ?? 0, type: column.type, typeName: column.type, baseType: column.type, sendsBinary: true, portableBinary: true, notNull: false, identity: undefined }
        : { ...from, name: column.name };
    }),
  };
}

/** The same of a streamed relation. */
export function flowRelationAfter(relation: PgoutputRelation, { output }: OperatorChain): PgoutputRelation {
  return {
    ...relation,
    schema: output.schema,
    name: output.name,
    columns: output.columns.map((column, index) => {
      const from = relation.columns[index];
      return from === undefined ? { name: column.name, typeOid: oidOf(column.type) ?? 0, typeModifier: -1, partOfKey: false } : { ...from, name: column.name };
    }),
  };
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

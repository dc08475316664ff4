import type { OperatorChain } from "../operators/operator-chain.js";
import type { Column, PublishedTable } from "../postgres/catalog.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { typeOidOf } from "../postgres/type-oids.js";

/** A published table as it is behind its operators, which may give other names and add columns. */
export function tableAfter(table: PublishedTable, chain: OperatorChain | undefined): PublishedTable {
  if (chain === undefined) return table;
  const { schema, name, columns } = chain.output;
  const inKey = columns.filter(({ partOfKey }) => partOfKey).map((column) => column.name);
  const key = table.key.map((column) => columns[table.columns.findIndex((candidate) => candidate.name === column)]!.name);
  return {
    ...table,
    schema,
    name,
    root: schema === table.schema && name === table.name ? table.root : { schema, name },
    // In the order that the source has them in.
    key: [...key.filter((column) => inKey.includes(column)), ...inKey.filter((column) => !key.includes(column))],
    columns: columns.map((column, index) => {
      const from = table.columns[index];
      return from === undefined ? columnOfType(column.name, column.type) : { ...from, name: column.name };
    }),
  };
}

/** The same of a streamed relation; itself where nothing of it changes. */
export function relationAfter(relation: PgoutputRelation, { output: { schema, name, columns } }: OperatorChain): PgoutputRelation {
  if (schema === relation.schema && name === relation.name && columns.length === relation.columns.length && columns.every((column, index) => column.name === relation.columns[index]!.name)) return relation;
  return {
    ...relation,
    schema,
    name,
    columns: columns.map((column, index) => {
      const from = relation.columns[index];
      return from === undefined ? { name: column.name, typeOid: typeOidOf(column.type) ?? 0, typeModifier: -1, partOfKey: false } : { ...from, name: column.name };
    }),
  };
}

/**
 * A column of which nothing is known but this: one that an operator has made, or that a file or a stream alone tells of.
 * What else there is to know is not asked, or is found where it goes to.
 *
 * @param typeOid - where the type is none of those that have the same OID everywhere
 */
export function columnOfType(name: string, type: string, { typeOid = typeOidOf(type) ?? 0, typeName = type }: { readonly typeOid?: number; readonly typeName?: string } = {}): Column {
  return { name, typeOid, type: typeName, typeName, baseType: type, sendsBinary: true, portableBinary: true, notNull: false, identity: undefined };
}

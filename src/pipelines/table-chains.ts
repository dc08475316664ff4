import { ReshardError } from "../errors.js";
import type { OperatorChain } from "../operators/operator-chain.js";
import type { Column, PublishedTable } from "../postgres/catalog.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { TypeOid } from "../postgres/type-oids.js";
import { checkShard, keyRouter } from "../sharding/key-router.js";
import type { TableRoute } from "../sharding/table-route.js";
import type { TableShape } from "../table-batch.js";
import type { RootedTable } from "./table-chain.js";

/** A published table as operators see it. */
export function shapeOf({ schema, name, columns, key, root }: PublishedTable): TableShape & RootedTable {
  return { schema, name, root, columns: columns.map((column) => ({ name: column.name, type: column.isEnum === true ? "enum" : column.baseType, partOfKey: key.includes(column.name) })) };
}

/** The same of a streamed relation, whose columns may be fewer and in another order. */
export function shapeOfRelation({ schema, name, columns }: PgoutputRelation, published: PublishedTable): TableShape & RootedTable {
  const types = new Map(published.columns.map((column) => [column.name, column.isEnum === true ? "enum" : column.baseType]));
  return { schema, name, root: published.root, columns: columns.map((column) => ({ name: column.name, type: types.get(column.name) ?? "unknown", partOfKey: published.key.includes(column.name) })) };
}

/** A published table as it is behind its operators. */
export function tableAfter(table: PublishedTable, chain: OperatorChain | undefined): PublishedTable {
  return chain === undefined ? table : { ...table, columns: [...table.columns, ...chain.output.columns.slice(table.columns.length).map(addedColumn)] };
}

/** What is not known of a column that the shards alone have is not asked. */
export function addedColumn({ name, type }: TableShape["columns"][number]): Column {
  return { name, typeOid: oidOf(type)!, type, typeName: type, baseType: type, sendsBinary: true, portableBinary: true, notNull: false, identity: undefined };
}

/** Undefined: not a type that has the same OID on every server. */
export function oidOf(type: string): number | undefined {
  return (TypeOid as Readonly<Record<string, number>>)[type];
}

/** A streamed relation as it is behind its operators. */
export function relationAfter(relation: PgoutputRelation, chain: OperatorChain): PgoutputRelation {
  const added = chain.output.columns.slice(chain.input.columns.length);
  return added.length === 0 ? relation : { ...relation, columns: [...relation.columns, ...added.map(({ name, type }) => ({ name, typeOid: oidOf(type)!, typeModifier: -1, partOfKey: false }))] };
}

/** @throws ReshardError OPERATOR_RENAMES where names change: tables of a migration keep them */
export function checkChain(table: PublishedTable, { input, output, operators }: OperatorChain, sourceShards: number): void {
  const place = { table: displayName(table) };
  if (output.schema !== input.schema || output.name !== input.name || input.columns.some((column, index) => output.columns[index]?.name !== column.name)) {
    throw new ReshardError("OPERATOR_RENAMES", `The operators rename ${displayName(table)} or its columns, which the stages of a migration cannot do.`, {
      place,
      remedy: "Rename on the shards after the migration; or move the table by a flow stage.",
    });
  }
  const unknown = output.columns.slice(input.columns.length).find(({ type }) => oidOf(type) === undefined);
  if (unknown !== undefined) {
    throw new ReshardError("OPERATOR_COLUMN_TYPE", `The operators add the column "${unknown.name}" of type ${unknown.type} to ${displayName(table)}.`, { place, remedy: `Give it one of these types: ${Object.keys(TypeOid).join(", ")}.` });
  }
  if (sourceShards === 1) return;
  const writer = operators.find(({ operator: { writes } }) => writes === undefined || table.key.some((column) => writes.includes(column)));
  if (writer === undefined) return;
  throw new ReshardError("OPERATOR_WRITES_KEY", `Operator "${writer.name}" may change the key of ${displayName(table)}, by which rows of several source shards are told apart.`, {
    place,
    remedy: "Declare the columns that it writes, if the key is not among them; else move the rows from one source shard at a time.",
  });
}

/** Where rows go that an operator gave another rule. */
export function routeByOperator(table: TableName, { sharding, output }: OperatorChain, shards: number): TableRoute | undefined {
  switch (sharding?.kind) {
    case undefined:
      return undefined;
    case "omnisharded":
      return { kind: "omnisharded" };
    case "shard":
      checkShard(sharding.shard, shards, `The operator's rule for ${displayName(table)}`);
      return { kind: "fixed", shard: sharding.shard };
    case "key": {
      const { column, dataType, hasher } = sharding;
      if (!output.columns.some(({ name }) => name === column)) {
        throw new ReshardError("SHARDING_COLUMN_MISSING", `An operator routes ${displayName(table)} by the column "${column}", which it does not have.`, { place: { table: displayName(table) }, remedy: `Name one of ${output.columns.map(({ name }) => name).join(", ")}.` });
      }
      return { kind: "key", column, dataType, shardOf: keyRouter({ dataType, hasher, mapping: [] }, shards) };
    }
  }
}

/** The chains of a stream's relations, each made once. */
export class RelationChains {
  readonly #make: (relation: PgoutputRelation) => OperatorChain | undefined;
  readonly #known = new Map<PgoutputRelation, OperatorChain | undefined>();

  constructor(make: (relation: PgoutputRelation) => OperatorChain | undefined) {
    this.#make = make;
  }

  of(relation: PgoutputRelation): OperatorChain | undefined {
    if (!this.#known.has(relation)) this.#known.set(relation, this.#make(relation));
    return this.#known.get(relation);
  }
}

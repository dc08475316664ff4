import type { ChangedTable } from "../../operators/change-texts.js";
import type { OperatorChain } from "../../operators/operator-chain.js";
import type { PublishedTable } from "../../postgres/catalog.js";
import { type TableName, tableId } from "../../postgres/identifiers.js";
import type { PgoutputRelation } from "../../postgres/pgoutput-message.js";
import type { ValueFormat } from "../../postgres/value-format.js";
import type { TableShape } from "../../table-batch.js";
import { unknownTable } from "../source-shard.js";
import { type OperatedRelation, OperatedRelations } from "../operated-relations.js";
import { columnOfType, relationAfter, tableAfter } from "../table-after.js";
import { shapeOfRelation } from "../table-shapes.js";
import { sqlTable } from "./flow-table.js";

/** A streamed relation as it comes and as it is behind the operators. */
export interface ChangedRelation extends OperatedRelation {
  /** As the source publishes it. */
  readonly published: PublishedTable;
  /** The published table behind the operators; its columns in the relation's order. */
  readonly table: PublishedTable;
  /** Columns of `after` that are sent though they are generated. */
  readonly unwritten: readonly string[];
}

/** What is known of the relations of one stream. */
export class ChangedRelations {
  readonly #tables: ReadonlyMap<string, PublishedTable>;
  readonly #chainOf: (table: TableShape) => OperatorChain | undefined;
  readonly #relations = new OperatedRelations((relation) => this.#describe(relation));

  constructor(tables: readonly PublishedTable[], chainOf: (table: TableShape) => OperatorChain | undefined) {
    this.#tables = new Map(tables.map((table) => [tableId(table), table]));
    this.#chainOf = chainOf;
  }

  /** @throws ReshardError TABLE_UNKNOWN */
  published(table: TableName): PublishedTable {
    const found = this.#tables.get(tableId(table));
    if (found === undefined) throw unknownTable(table);
    return found;
  }

  /** Of a relation as the source sends it. */
  of(relation: PgoutputRelation): ChangedRelation {
    return this.#relations.of(relation);
  }

  /** Of one that came through the operators. */
  behind(after: PgoutputRelation): ChangedRelation {
    return this.#relations.behind(after);
  }

  /** Which columns of a relation, as the source sends it, come in text. */
  textColumns(relation: PgoutputRelation, format: ValueFormat): (column: string) => boolean {
    const texts = new Set(this.of(relation).published.columns.filter((column) => !column.sendsBinary).map((column) => column.name));
    return (column) => format === "text" || texts.has(column);
  }

  /** For those who write changes out. */
  readonly describe = (after: PgoutputRelation): ChangedTable => {
    const { table, unwritten } = this.behind(after);
    return { ...sqlTable(table), unwritten };
  };

  #describe(relation: PgoutputRelation): ChangedRelation {
    const published = this.published(relation);
    const shape = shapeOfRelation(relation, published);
    const chain = this.#chainOf(shape);
    const after = chain === undefined ? relation : relationAfter(relation, chain);
    const known = new Map(published.columns.map((column) => [column.name, column]));
    const columns = shape.columns.map(({ name, type }, index) => known.get(name) ?? columnOfType(name, type, { typeOid: relation.columns[index]!.typeOid }));
    const unwritten = relation.columns.flatMap(({ name }, index) => (known.has(name) ? [] : [after.columns[index]!.name]));
    return { relation, published, chain, after, table: tableAfter({ ...published, columns }, chain), unwritten };
  }
}

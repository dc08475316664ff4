import { defect } from "../../errors.js";
import type { ChangedTable } from "../../operators/change-texts.js";
import type { OperatorChain } from "../../operators/operator-chain.js";
import type { PublishedTable } from "../../postgres/catalog.js";
import { type TableName, tableId } from "../../postgres/identifiers.js";
import type { PgoutputRelation } from "../../postgres/pgoutput-message.js";
import type { ValueFormat } from "../../postgres/value-format.js";
import type { TableShape } from "../../table-batch.js";
import { unknownTable } from "../source-shard.js";
import { shapeOfRelation } from "../table-chains.js";
import { flowRelationAfter, flowTableAfter, sqlTable } from "./flow-table.js";

/** A streamed relation as it comes and as it is behind the operators. */
export interface ChangedRelation {
  readonly relation: PgoutputRelation;
  /** As the source publishes it. */
  readonly published: PublishedTable;
  readonly chain: OperatorChain | undefined;
  readonly after: PgoutputRelation;
  /** The published table behind the operators; its columns in the relation's order. */
  readonly table: PublishedTable;
  /** Columns of `after` that are sent though they are generated. */
  readonly unwritten: readonly string[];
}

/** What is known of the relations of one stream. */
export class ChangedRelations {
  readonly #tables: ReadonlyMap<string, PublishedTable>;
  readonly #chainOf: (table: TableShape) => OperatorChain | undefined;
  readonly #known = new Map<PgoutputRelation, ChangedRelation>();
  readonly #byAfter = new Map<PgoutputRelation, ChangedRelation>();

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
    let known = this.#known.get(relation);
    if (known === undefined) {
      known = this.#describe(relation);
      this.#known.set(relation, known);
      this.#byAfter.set(known.after, known);
    }
    return known;
  }

  /** Of one that came through the operators. */
  behind(after: PgoutputRelation): ChangedRelation {
    const known = this.#byAfter.get(after);
    if (known === undefined) throw defect(`the relation ${after.name} did not come through the operators`);
    return known;
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
    const after = chain === undefined ? relation : flowRelationAfter(relation, chain);
    const known = new Map(published.columns.map((column) => [column.name, column]));
    const columns = shape.columns.map(({ name, type }, index) => known.get(name) ?? { name, typeOid: relation.columns[index]!.typeOid, type, typeName: type, baseType: type, sendsBinary: true, portableBinary: true, notNull: false, identity: undefined });
    const unwritten = relation.columns.flatMap(({ name }, index) => (known.has(name) ? [] : [after.columns[index]!.name]));
    return { relation, published, chain, after, table: flowTableAfter({ ...published, columns }, chain), unwritten };
  }
}

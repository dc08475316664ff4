import { isDeepStrictEqual } from "node:util";
import type pg from "pg";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { prepareTargetTable, type TargetTable, type TargetTableOptions } from "./target-table.js";

/** The tables of one shard that changes are applied to, by the relations that the source streams them as. */
export class TargetTables {
  readonly #optionsOf: (relation: PgoutputRelation) => Omit<TargetTableOptions, "generation">;
  readonly #targets = new WeakMap<PgoutputRelation, TargetTable>();
  /** By the relation's OID: the source sends a Relation message again whenever its caches were emptied. */
  readonly #newest = new Map<number, { readonly relation: PgoutputRelation; readonly generation: number }>();

  constructor(optionsOf: (relation: PgoutputRelation) => Omit<TargetTableOptions, "generation">) {
    this.#optionsOf = optionsOf;
  }

  /** Makes ready what is not yet. */
  async prepare(client: pg.Client, relations: Iterable<PgoutputRelation>): Promise<void> {
    for (const relation of relations) {
      if (this.#targets.has(relation)) continue;
      const former = this.#newest.get(relation.oid);
      const generation = former === undefined ? 0 : former.generation + 1;
      const same = former !== undefined && isDeepStrictEqual(former.relation, relation);
      this.#targets.set(relation, same ? this.of(former.relation) : await prepareTargetTable(client, relation, { ...this.#optionsOf(relation), generation }));
      this.#newest.set(relation.oid, { relation, generation });
    }
  }

  /** Undefined where it was not made ready yet. */
  known(relation: PgoutputRelation): TargetTable | undefined {
    return this.#targets.get(relation);
  }

  /** Of a relation that was made ready. */
  of(relation: PgoutputRelation): TargetTable {
    return this.#targets.get(relation)!;
  }
}

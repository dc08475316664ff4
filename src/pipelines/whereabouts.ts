import type { RowSet } from "../apply-step.js";
import type { SourceTransaction } from "../change-batch.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { sees, type SeenTransactions } from "../postgres/seen-transactions.js";
import { type Ownership, rowOwnership, type Whereabouts as RowWhereabouts } from "../sinks/ownership.js";
import { type KeyedTable, rowsThere } from "../sources/source-rows.js";
import { Lookup } from "./lookup.js";
import type { Migration } from "./migration.js";
import type { SourceShard } from "./source-shard.js";
import { untilSeen } from "./until-seen.js";

/** Knows for one source shard's stream which rows are its own, and asks all source shards where a row is at present, once what came by the stream is seen there. */
export class Whereabouts {
  readonly #source: SourceShard;
  readonly #lookups: readonly Lookup[];
  /** What was seen on the source shard last. */
  #seen: SeenTransactions | undefined;
  readonly #known = new Map<PgoutputRelation, Ownership | undefined>();

  constructor(migration: Migration, source: SourceShard) {
    this.#source = source;
    this.#lookups = migration.sources.map(({ address }) => new Lookup(() => migration.sessions.source(address, "whereabouts")));
  }

  ownershipOf(relation: PgoutputRelation): Ownership | undefined {
    if (!this.#known.has(relation)) this.#known.set(relation, this.#ownershipOf(relation));
    return this.#known.get(relation);
  }

  /** Waits until these transactions of the source shard are seen there. */
  async untilSeen(transactions: readonly SourceTransaction[]): Promise<void> {
    const unseen = transactions.filter(({ xid }) => this.#seen === undefined || !sees(this.#seen, xid));
    if (unseen.length === 0) return;
    const { number, address } = this.#source;
    await this.#lookups[number]!.use((client) =>
      untilSeen(client, address, (seen) => {
        this.#seen = seen;
        return unseen.every(({ xid }) => sees(seen, xid));
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#lookups.map((lookup) => lookup.close()));
  }

  #ownershipOf(relation: PgoutputRelation): Ownership | undefined {
    if (this.#lookups.length === 1) return undefined;
    const table = this.#source.published(relation);
    const ownership = rowOwnership(this.#source.sourceRoute(relation), table.key, this.#source.number);
    return ownership && { ...ownership, whereabouts: (rows, places) => this.#whereabouts(rows, places, table) };
  }

  async #whereabouts(rows: RowSet, places: readonly number[], table: KeyedTable): Promise<RowWhereabouts[]> {
    const found = await Promise.all(this.#lookups.map((lookup) => lookup.use((client) => rowsThere(client, rows, places, table))));
    return places.map((_, index) => ({
      here: found[this.#source.number]![index]!,
      elsewhere: found.some((there, source) => source !== this.#source.number && there[index]!),
    }));
  }
}

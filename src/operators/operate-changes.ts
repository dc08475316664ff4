import { defer, finalize, map } from "rxjs";
import { type ChangeBatch, DELETE, INSERT, NO_TUPLE, TRUNCATE, UPDATE } from "../change-batch.js";
import type { Operator } from "../flow.js";
import { formatLsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import type { ValueFormat } from "../postgres/value-format.js";
import { TableBatch } from "../table-batch.js";
import { ChangeList } from "./change-list.js";
import { locateTuples } from "./locate-values.js";
import type { OperatorChain } from "./operator-chain.js";
import { RunningChain } from "./running-chain.js";
import { TupleWriter } from "./tuple-writer.js";

export interface OperateChangesOptions {
  /** Undefined: the relation's changes pass as they are. */
  readonly chainOf: (relation: PgoutputRelation) => OperatorChain | undefined;
  /** The relation as it is behind its chain. */
  readonly relationAfter: (relation: PgoutputRelation, chain: OperatorChain) => PgoutputRelation;
  /** What the source streams in. */
  readonly format: ValueFormat;
}

/**
 * Passes changes through a pipeline's own operators, so that what is streamed agrees with what is copied. New rows have to
 * be whole (`completeChanges`). Where operators may leave rows out, nobody knows what became of the row before: an update
 * is then its deletion, and the insertion of the new row if that stays.
 *
 * ```
 * in   [I a][U b→c][D key d]
 * out  [I A][D B][I C][D key D]      where rows may be left out
 *      [I A][U B→C][D key D]         where not
 * ```
 *
 * @example
 * changeStream(options)(receipts$).pipe(operateChanges({ chainOf, relationAfter, format }), shardChanges(routeOf))
 */
export function operateChanges({ chainOf, relationAfter, format }: OperateChangesOptions): Operator<ChangeBatch> {
  return (batches$) =>
    defer(() => {
      const tables = new Map<PgoutputRelation, RelationChain | undefined>();
      const tableOf = (relation: PgoutputRelation): RelationChain | undefined => {
        if (!tables.has(relation)) {
          const chain = chainOf(relation);
          tables.set(relation, chain && new RelationChain(relation, chain, relationAfter(relation, chain), format));
        }
        return tables.get(relation);
      };
      return batches$.pipe(
        map((batch) => operate(batch, batch.relations.map(tableOf))),
        finalize(() => { for (const table of tables.values()) table?.close(); }),
      );
    });
}

function operate(batch: ChangeBatch, tables: readonly (RelationChain | undefined)[]): ChangeBatch {
  if (tables.every((table) => table === undefined)) return batch;
  const work = tables.map((table) => table?.batch(batch));
  for (let change = 0; change < batch.count; change++) {
    const table = work[batch.relationOf[change]!];
    if (batch.kinds[change] === TRUNCATE || table === undefined) continue;
    table.take(change);
  }
  const tuples = new TupleWriter(batch.buffer);
  for (const table of work) table?.run(tuples);
  const list = new ChangeList(batch);
  for (let change = 0; change < batch.count; change++) {
    const table = work[batch.relationOf[change]!];
    if (batch.kinds[change] === TRUNCATE || table === undefined) list.keep(change);
    else table.put(change, list);
  }
  return list.batch(tuples.buffer(), batch.relations.map((relation, index) => tables[index]?.after ?? relation));
}

/** A relation whose rows pass through operators. */
class RelationChain {
  readonly after: PgoutputRelation;
  readonly chain: OperatorChain;
  readonly running: RunningChain;
  readonly format: ValueFormat;
  readonly width: number;
  /** Columns of an old key, and of a whole row. */
  readonly keyCarries: Uint8Array;
  readonly allCarry: Uint8Array;

  constructor(relation: PgoutputRelation, chain: OperatorChain, after: PgoutputRelation, format: ValueFormat) {
    this.after = after;
    this.chain = chain;
    this.running = new RunningChain(chain);
    this.format = format;
    this.width = relation.columns.length;
    this.keyCarries = Uint8Array.from(relation.columns, ({ partOfKey }) => (partOfKey ? 1 : 0));
    this.allCarry = new Uint8Array(this.width).fill(1);
  }

  batch(batch: ChangeBatch): TableWork {
    return new TableWork(this, batch);
  }

  close(): void {
    this.running.close();
  }
}

/** What a batch has of one relation. */
class TableWork {
  readonly #table: RelationChain;
  readonly #batch: ChangeBatch;
  /** Offsets of whole rows and of keys, and the changes that they are of. */
  readonly #rows: { readonly tuple: number; readonly change: number }[] = [];
  readonly #keys: { readonly tuple: number; readonly change: number }[] = [];
  /** What became of them, by former offset: none where the row is left out. */
  readonly #after = new Map<number, number>();
  /** The keys that new rows which are left out would have, by change: of updates that tell no old key. */
  readonly #keysOfLeftOut = new Map<number, number>();

  constructor(table: RelationChain, batch: ChangeBatch) {
    this.#table = table;
    this.#batch = batch;
  }

  take(change: number): void {
    const { oldTuples, oldTupleIsRow, newTuples } = this.#batch;
    if (newTuples[change] !== NO_TUPLE) this.#rows.push({ tuple: newTuples[change]!, change });
    if (oldTuples[change] === NO_TUPLE) return;
    (oldTupleIsRow[change] === 1 ? this.#rows : this.#keys).push({ tuple: oldTuples[change]!, change });
  }

  run(tuples: TupleWriter): void {
    const { running, keyCarries, allCarry } = this.#table;
    this.#pass(this.#rows, allCarry, (batch) => running.rows(batch), tuples);
    this.#pass(this.#keys, keyCarries, (batch) => running.keys(batch), tuples);
  }

  put(change: number, list: ChangeList): void {
    const { kinds, oldTuples, newTuples, oldTupleIsRow } = this.#batch;
    const before = oldTuples[change] === NO_TUPLE ? NO_TUPLE : this.#after.get(oldTuples[change]!);
    const after = newTuples[change] === NO_TUPLE ? NO_TUPLE : this.#after.get(newTuples[change]!);
    switch (kinds[change]) {
      case INSERT:
        if (after !== undefined) list.put(change, INSERT, NO_TUPLE, 0, after);
        return;
      case DELETE:
        if (before !== undefined) list.put(change, DELETE, before, oldTupleIsRow[change]!, NO_TUPLE);
        return;
      default:
        if (!this.#table.chain.drops) {
          list.put(change, UPDATE, before!, oldTupleIsRow[change]!, after!);
          return;
        }
        // A whole old row that was left out was never there; a key may have been.
        if (before !== undefined && before !== NO_TUPLE) list.put(change, DELETE, before, oldTupleIsRow[change]!, NO_TUPLE);
        // The key is what it was: the new row's, even if that is left out now.
        else if (before === NO_TUPLE) list.put(change, DELETE, after ?? this.#keysOfLeftOut.get(change)!, 0, NO_TUPLE);
        if (after !== undefined) list.put(change, INSERT, NO_TUPLE, 0, after);
    }
  }

  #pass(entries: readonly { readonly tuple: number; readonly change: number }[], carries: Uint8Array, operators: (batch: TableBatch) => TableBatch, tuples: TupleWriter): void {
    if (entries.length === 0) return;
    const out = operators(this.#tableBatch(entries, carries));
    for (let row = 0; row < out.count; row++) this.#after.set(entries[out.origins[row]!]!.tuple, tuples.write(out, row));
    if (out.count === entries.length || carries !== this.#table.allCarry) return;
    const kept = new Set(out.origins);
    const left = entries.filter(({ tuple, change }, origin) => !kept.has(origin) && this.#batch.kinds[change] === UPDATE && this.#batch.newTuples[change] === tuple && this.#batch.oldTuples[change] === NO_TUPLE);
    if (left.length === 0) return;
    const keys = this.#table.running.keys(this.#tableBatch(left, this.#table.keyCarries));
    for (let row = 0; row < keys.count; row++) this.#keysOfLeftOut.set(left[row]!.change, tuples.write(keys, row));
  }

  #tableBatch(entries: readonly { readonly tuple: number; readonly change: number }[], carries: Uint8Array): TableBatch {
    const { sequence, bytes, buffer, transactions, transactionOf } = this.#batch;
    return TableBatch.of({
      sequence, bytes, table: this.#table.chain.input, format: this.#table.format, count: entries.length,
      locate: () => locateTuples(buffer, Uint32Array.from(entries, ({ tuple }) => tuple), this.#table.width, carries),
      placeOf: (origin) => {
        const { xid, commitLsn } = transactions[transactionOf[entries[origin]!.change]!]!;
        return `in transaction ${xid} at ${formatLsn(commitLsn)}`;
      },
    });
  }
}

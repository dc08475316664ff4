import type { ChangeBatch } from "../change-batch.js";
import type { PgoutputRelation, PgoutputTruncate } from "../postgres/pgoutput-message.js";

/** Changes put together from those of a batch: fewer, others, or two for one, in its order. */
export class ChangeList {
  readonly #from: ChangeBatch;
  readonly #changes: number[] = [];
  readonly #kinds: number[] = [];
  readonly #oldTuples: number[] = [];
  readonly #oldTupleIsRow: number[] = [];
  readonly #newTuples: number[] = [];
  readonly #truncates = new Map<number, PgoutputTruncate>();

  constructor(from: ChangeBatch) {
    this.#from = from;
  }

  /** A change as it is. */
  keep(change: number): void {
    const { kinds, oldTuples, oldTupleIsRow, newTuples, truncates } = this.#from;
    const truncate = truncates.get(change);
    if (truncate !== undefined) this.#truncates.set(this.#kinds.length, truncate);
    this.put(change, kinds[change]!, oldTuples[change]!, oldTupleIsRow[change]!, newTuples[change]!);
  }

  /** Another one in a change's place: of its relation and transaction. */
  put(change: number, kind: number, oldTuple: number, oldTupleIsRow: number, newTuple: number): void {
    this.#changes.push(change);
    this.#kinds.push(kind);
    this.#oldTuples.push(oldTuple);
    this.#oldTupleIsRow.push(oldTupleIsRow);
    this.#newTuples.push(newTuple);
  }

  batch(buffer: Buffer, relations: readonly PgoutputRelation[]): ChangeBatch {
    const { relationOf, transactionOf } = this.#from;
    return {
      ...this.#from,
      buffer,
      bytes: buffer.length,
      count: this.#kinds.length,
      relations,
      kinds: Uint8Array.from(this.#kinds),
      relationOf: Uint32Array.from(this.#changes, (change) => relationOf[change]!),
      transactionOf: Uint32Array.from(this.#changes, (change) => transactionOf[change]!),
      oldTuples: Uint32Array.from(this.#oldTuples),
      oldTupleIsRow: Uint8Array.from(this.#oldTupleIsRow),
      newTuples: Uint32Array.from(this.#newTuples),
      truncates: this.#truncates,
    };
  }
}

import { endOf, type TransactionKind, transactionKinds } from "./transaction-kinds.js";

/** What the writers have done. */
export interface WriterReport {
  /** The seed of their choices. */
  readonly seed: number;
  /** Transactions that ended as meant, by kind: committed, or rolled back where that is the kind's point. */
  readonly transactions: Readonly<Record<TransactionKind, number>>;
  readonly committed: number;
  /** Whole transactions rolled back on purpose. */
  readonly rolledBack: number;
  /** Parts of transactions rolled back on purpose, to a savepoint. */
  readonly savepointRollbacks: number;
  /** Tried again after a deadlock or a serialization failure. */
  readonly retried: number;
  /** Given up because the row they were about had just gone. */
  readonly missed: number;
  /** Milliseconds of the transaction that took longest, waits and repetitions included, since `forgetLongest`. */
  readonly longest: number;
}

/** Counts for all writers together. */
export class WriterCounts {
  readonly #transactions = Object.fromEntries(Object.keys(transactionKinds).map((kind) => [kind, 0])) as Record<TransactionKind, number>;
  savepointRollbacks = 0;
  retried = 0;
  missed = 0;
  #longest = 0;

  took(milliseconds: number): void {
    this.#longest = Math.max(this.#longest, milliseconds);
  }

  forgetLongest(): void {
    this.#longest = 0;
  }

  ended(kind: TransactionKind): void {
    this.#transactions[kind]++;
  }

  report(seed: number): WriterReport {
    const endedBy = (end: "COMMIT" | "ROLLBACK"): number =>
      (Object.keys(this.#transactions) as TransactionKind[]).reduce((sum, kind) => sum + (endOf(kind) === end ? this.#transactions[kind] : 0), 0);
    return {
      seed,
      transactions: { ...this.#transactions },
      committed: endedBy("COMMIT"),
      rolledBack: endedBy("ROLLBACK"),
      savepointRollbacks: this.savepointRollbacks,
      retried: this.retried,
      missed: this.missed,
      longest: this.#longest,
    };
  }
}

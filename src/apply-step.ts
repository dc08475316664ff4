import type { SourceTransaction } from "./change-batch.js";
import type { Batch } from "./flow.js";
import type { Lsn } from "./postgres/lsn.js";
import type { PgoutputRelation } from "./postgres/pgoutput-message.js";

/**
 * Rows of one table, values left where they lie: value `column` of row `i` begins at
 * `offsets[i * relation.columns.length + column]` of `buffer` with its kind byte (`n`, `t`, `b`), or is `ABSENT` (postgres/tuple-values).
 */
export interface RowSet {
  readonly relation: PgoutputRelation;
  readonly buffer: Buffer;
  readonly count: number;
  readonly offsets: Int32Array;
}

/** One set-based statement for a shard. */
export type ApplyStep =
  /** Remove the rows with these keys. */
  | { readonly kind: "delete"; readonly rows: RowSet }
  /**
   * Put in whole rows, or over those that are there. `before` is what the changes tell of all of them: the rows were there,
   * so that setting their columns will mostly do (a twentieth less WAL than an upsert, about the same CPU), or they were
   * not, so that COPY will.
   */
  | { readonly kind: "upsert"; readonly rows: RowSet; readonly before: "present" | "absent" | "unknown" }
  /**
   * Set the columns that the rows carry, all rows the same ones. `arriving`: a row that is not here may have come from
   * another shard, and the values it does not carry have to be read from the source.
   */
  | { readonly kind: "update"; readonly rows: RowSet; readonly columns: readonly number[]; readonly arriving: boolean }
  /** Put in rows of a table without key. */
  | { readonly kind: "insert"; readonly rows: RowSet }
  /** For each of these rows remove one that equals it: as many as they are, where they equal one another. */
  | { readonly kind: "delete-equal"; readonly rows: RowSet }
  /** For each old row give one that equals it the values of the row beside it, which differ in these columns at most. */
  | { readonly kind: "update-equal"; readonly oldRows: RowSet; readonly rows: RowSet; readonly columns: readonly number[] }
  | { readonly kind: "truncate"; readonly relations: readonly PgoutputRelation[]; readonly cascade: boolean; readonly restartIdentity: boolean };

/** A step on a table whose rows have a key. */
export type KeyedStep = Extract<ApplyStep, { kind: "delete" | "upsert" | "update" }>;

/** A step on a table whose rows have none. */
export type EqualStep = Extract<ApplyStep, { kind: "insert" | "delete-equal" | "update-equal" }>;

export function isEqualStep(step: ApplyStep): step is EqualStep {
  return step.kind === "insert" || step.kind === "delete-equal" || step.kind === "update-equal";
}

/** What a shard has to run for a batch, in this order. */
export interface StepBatch extends Batch<Lsn> {
  readonly steps: readonly ApplyStep[];
  /** Those that the changes belong to; the first and the last may have further changes in other batches. */
  readonly transactions: readonly SourceTransaction[];
  /**
   * The relations that changes are of: none where the batch changes nothing here. There may be some and no steps, where
   * changes cancel one another; progress must say even then that they were seen, for a part of them alone would not.
   */
  readonly relations: readonly PgoutputRelation[];
  /**
   * The same change by change, in the order of the source. Slower, for when the set-based steps meet a unique
   * constraint half-way that the source never saw violated (values swapped between rows).
   */
  readonly oneByOne: () => readonly ApplyStep[];
}

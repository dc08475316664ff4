import { concatMap, of } from "rxjs";
import type { RowSet } from "../apply-step.js";
import { type ChangeBatch, DELETE, NO_TUPLE, type SourceTransaction, TRUNCATE } from "../change-batch.js";
import type { Operator } from "../flow.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { ABSENT, locateTuple, valueBytes } from "../postgres/tuple-values.js";

export interface CompleteChangesOptions {
  /** Whether a relation's new rows have to be whole. */
  readonly concerns: (relation: PgoutputRelation) => boolean;
  /** Reads a row by its key, with the values that it does not carry: none where it is gone. See `completeRows`. */
  readonly complete: (row: RowSet) => Promise<RowSet>;
  /** Returns once what these transactions did is seen by whoever looks rows up on the source. */
  readonly untilSeen: (transactions: readonly SourceTransaction[]) => Promise<void>;
}

/**
 * Gives new rows the values that the source did not send, since they are stored outside the row and did not change: out of
 * the whole old row, where that was sent, else as the source has them now. What is read may be newer than the change; then
 * the stream still brings that newer change. A row that the source has no more is deleted at once: its deletion still
 * comes, and nobody behind this one has to get along with half a row.
 *
 * ```
 * in   [U 1 'new' (unchanged)][U 2 'new' (unchanged), gone since]
 * out  [U 1 'new' 'long …'   ][D 2]
 * ```
 */
export function completeChanges(options: CompleteChangesOptions): Operator<ChangeBatch> {
  return (batches$) => batches$.pipe(concatMap((batch) => {
    const incomplete = incompleteChanges(batch, options);
    return incomplete.length === 0 ? of(batch) : complete(batch, incomplete, options);
  }));
}

/** A new row with unchanged values. */
interface Incomplete {
  readonly change: number;
  /** Where its values begin in the batch's buffer, `ABSENT` where they were not sent. */
  readonly offsets: Int32Array;
}

function incompleteChanges(batch: ChangeBatch, { concerns }: CompleteChangesOptions): Incomplete[] {
  const concerned = batch.relations.map((relation) => concerns(relation));
  const found: Incomplete[] = [];
  if (!concerned.includes(true)) return found;
  for (let change = 0; change < batch.count; change++) {
    const relation = batch.relationOf[change]!;
    if (!concerned[relation]! || batch.kinds[change] === TRUNCATE || batch.newTuples[change] === NO_TUPLE) continue;
    const offsets = locate(batch.buffer, batch.newTuples[change]!, batch.relations[relation]!.columns.length);
    if (!offsets.includes(ABSENT)) continue;
    if (batch.oldTuples[change] !== NO_TUPLE) takeOld(batch, change, offsets);
    found.push({ change, offsets });
  }
  return found;
}

/** What the old tuple tells: all of a row, else its key. */
function takeOld({ buffer, oldTuples, oldTupleIsRow, relations, relationOf }: ChangeBatch, change: number, offsets: Int32Array): void {
  const { columns } = relations[relationOf[change]!]!;
  const old = locate(buffer, oldTuples[change]!, columns.length);
  for (let column = 0; column < columns.length; column++) if (offsets[column] === ABSENT && (oldTupleIsRow[change] === 1 || columns[column]!.partOfKey)) offsets[column] = old[column]!;
}

async function complete(batch: ChangeBatch, incomplete: readonly Incomplete[], options: CompleteChangesOptions): Promise<ChangeBatch> {
  const pieces: Buffer[] = [batch.buffer];
  let end = batch.buffer.length;
  const kinds = batch.kinds.slice();
  const oldTuples = batch.oldTuples.slice();
  const newTuples = batch.newTuples.slice();
  const write = (tuple: Buffer): number => {
    const start = end;
    pieces.push(tuple);
    end += tuple.length;
    return start;
  };
  if (incomplete.some(({ offsets }) => offsets.includes(ABSENT))) await options.untilSeen(batch.transactions);
  for (const { change, offsets } of incomplete) {
    const relation = batch.relations[batch.relationOf[change]!]!;
    const whole = offsets.includes(ABSENT) ? await options.complete({ relation, buffer: batch.buffer, count: 1, offsets }) : { buffer: batch.buffer, count: 1, offsets };
    if (whole.count === 1) {
      newTuples[change] = write(tupleOf(whole));
      continue;
    }
    kinds[change] = DELETE;
    // Without an old tuple the key is what it was.
    if (oldTuples[change] === NO_TUPLE) oldTuples[change] = newTuples[change]!;
    newTuples[change] = NO_TUPLE;
  }
  return { ...batch, buffer: Buffer.concat(pieces), bytes: end, kinds, oldTuples, newTuples };
}

function locate(buffer: Buffer, tuple: number, columns: number): Int32Array {
  const offsets = new Int32Array(columns);
  locateTuple(buffer, tuple, offsets);
  return offsets;
}

function tupleOf({ buffer, offsets }: Pick<RowSet, "buffer" | "offsets">): Buffer {
  const head = Buffer.allocUnsafe(2);
  head.writeInt16BE(offsets.length);
  return Buffer.concat([head, ...Array.from(offsets, (at) => buffer.subarray(at, at + valueBytes(buffer, at)))]);
}

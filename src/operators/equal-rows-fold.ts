import type { ApplyStep, RowSet } from "../apply-step.js";
import { Action } from "../change-batch.js";
import { defect, ReshardError } from "../errors.js";
import { displayName } from "../postgres/identifiers.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { ABSENT, locateTuple, valueBytes } from "../postgres/tuple-values.js";
import type { ChangeFold, UpdateAction } from "./change-fold.js";
import { KeyIndex } from "./key-index.js";

/** In place of a former row: the batch itself has put the row in. In place of a present one: the row is gone. */
const NONE = -1;

/** A row that the batch has touched, as what it was before the batch and what it is now: numbers of values. */
interface TouchedRow {
  readonly before: number;
  now: number;
}

/**
 * Folds the changes of a table whose rows have no key (REPLICA IDENTITY FULL): a multiset. Rows are named by all of their
 * values, byte by byte; of several equal ones each change means any one. A row that changes twice is changed once, from
 * what it was to what it is.
 */
export class EqualRowsFold implements ChangeFold {
  readonly relation: PgoutputRelation;
  readonly #buffer: Buffer;
  readonly #index: KeyIndex;
  /** The offsets of each different row's values, by the index's numbers. */
  readonly #values: Int32Array[] = [];
  readonly #touched: TouchedRow[] = [];
  /** Touched rows by what they are now. */
  readonly #present = new Map<number, TouchedRow[]>();

  constructor(relation: PgoutputRelation, buffer: Buffer) {
    this.relation = relation;
    this.#buffer = buffer;
    this.#index = new KeyIndex(buffer, relation.columns.length);
  }

  upsert(newTuple: number): void {
    const values = this.#valuesOf(newTuple);
    // Where an update lets a row enter a row filter, pgoutput fills in what it has of the old row: here, all.
    if (values.includes(ABSENT)) throw defect(`a new row of ${displayName(this.relation)} came without all of its values`);
    this.#insert(values);
  }

  delete(tuple: number): void {
    this.#expectOldRow(true);
    this.#take(this.#entryOf(this.#valuesOf(tuple))).now = NONE;
  }

  update(oldTuple: number, oldTupleIsRow: boolean, newTuple: number, action: UpdateAction): void {
    this.#expectOldRow(oldTupleIsRow);
    const former = this.#valuesOf(oldTuple);
    const values = this.#valuesOf(newTuple);
    // Old rows are sent whole: heapam's ExtractReplicaIdentity fetches values stored outside the row.
    for (let column = 0; column < values.length; column++) if (values[column] === ABSENT) values[column] = former[column]!;
    if (action === Action.Arrive) this.#insert(values);
    else {
      const row = this.#take(this.#entryOf(former));
      row.now = this.#entryOf(values);
      this.#put(row);
    }
  }

  steps(): ApplyStep[] {
    const { relation } = this;
    const removed = this.#touched.filter(({ before, now }) => before !== NONE && now === NONE);
    const changed = this.#touched.filter(({ before, now }) => before !== NONE && now !== NONE && before !== now);
    const added = this.#touched.filter(({ before, now }) => before === NONE && now !== NONE);
    const steps: ApplyStep[] = [];
    if (removed.length > 0) steps.push({ kind: "delete-equal", rows: this.#rowSet(removed.map(({ before }) => before)) });
    if (changed.length > 0) {
      const columns = relation.columns.map((_, column) => column).filter((column) => changed.some(({ before, now }) => !this.#sameValue(before, now, column)));
      steps.push({ kind: "update-equal", oldRows: this.#rowSet(changed.map(({ before }) => before)), rows: this.#rowSet(changed.map(({ now }) => now)), columns });
    }
    if (added.length > 0) steps.push({ kind: "insert", rows: this.#rowSet(added.map(({ now }) => now)) });
    return steps;
  }

  #insert(values: Int32Array): void {
    const row = { before: NONE, now: this.#entryOf(values) };
    this.#touched.push(row);
    this.#put(row);
  }

  /** A row that has these values now: one that the batch has touched, else one that it finds on the shard. */
  #take(entry: number): TouchedRow {
    const touched = this.#present.get(entry)?.pop();
    if (touched !== undefined) return touched;
    const found = { before: entry, now: entry };
    this.#touched.push(found);
    return found;
  }

  #put(row: TouchedRow): void {
    const rows = this.#present.get(row.now);
    if (rows === undefined) this.#present.set(row.now, [row]);
    else rows.push(row);
  }

  #entryOf(values: Int32Array): number {
    const entry = this.#index.entryOf(values);
    this.#values[entry] ??= values;
    return entry;
  }

  #valuesOf(tuple: number): Int32Array {
    const values = new Int32Array(this.relation.columns.length);
    locateTuple(this.#buffer, tuple, values);
    return values;
  }

  #sameValue(a: number, b: number, column: number): boolean {
    const [from, to] = [this.#values[a]![column]!, this.#values[b]![column]!];
    return from === to || this.#buffer.compare(this.#buffer, to, to + valueBytes(this.#buffer, to), from, from + valueBytes(this.#buffer, from)) === 0;
  }

  #rowSet(entries: readonly number[]): RowSet {
    const width = this.relation.columns.length;
    const offsets = new Int32Array(entries.length * width);
    entries.forEach((entry, row) => { offsets.set(this.#values[entry]!, row * width); });
    return { relation: this.relation, buffer: this.#buffer, count: entries.length, offsets };
  }

  #expectOldRow(there: boolean): void {
    if (there && this.relation.replicaIdentity === "f") return;
    const table = displayName(this.relation);
    throw new ReshardError("REPLICA_IDENTITY_CHANGED", `${table} has no key, and since its REPLICA IDENTITY is not FULL any more its updates and deletes do not tell which row they mean.`, {
      remedy: `These changes cannot be followed. Run on the source: ALTER TABLE ${table} REPLICA IDENTITY FULL; then end this migration with \`pg-reshard finish --drop-progress\`, empty the destination and begin again.`,
      place: { table },
    });
  }
}

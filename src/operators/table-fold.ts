import type { ApplyStep, RowSet } from "../apply-step.js";
import { Action } from "../change-batch.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { ABSENT, locateTuple, valueBytes } from "../postgres/tuple-values.js";
import type { ChangeFold, UpdateAction } from "./change-fold.js";
import { KeyIndex } from "./key-index.js";

/** What is to become of a row, as bits. */
const DELETED = 1;
/** Every column is known. */
const WHOLE = 2;
/** Some columns are unchanged TOAST: only those known are set. */
const PARTIAL = 4;
/** The row comes from another shard. */
const ARRIVING = 8;
/** The row was there before the batch: its first change here is an update that left it in its place. */
const PRESENT = 16;
/** The row was not there before the batch: its first change here is an insert. */
const NEW = 32;

/**
 * Folds the changes of one table to their net effect, key by key: the last value of each column, or that the row is
 * gone. Values stay where they are; an entry is a row of offsets.
 */
export class TableFold implements ChangeFold {
  readonly relation: PgoutputRelation;
  readonly #buffer: Buffer;
  readonly #width: number;
  readonly #keyColumns: readonly number[];
  readonly #index: KeyIndex;
  #states = new Uint8Array(32);
  #offsets: Int32Array;
  /** Offsets of the tuple being read, and of its key columns. */
  readonly #tuple: Int32Array;
  readonly #old: Int32Array;
  readonly #key: Int32Array;

  constructor(relation: PgoutputRelation, keyColumns: readonly number[], buffer: Buffer) {
    this.relation = relation;
    this.#buffer = buffer;
    this.#width = relation.columns.length;
    this.#keyColumns = keyColumns;
    this.#index = new KeyIndex(buffer, keyColumns.length);
    this.#offsets = new Int32Array(32 * this.#width);
    this.#tuple = new Int32Array(this.#width);
    this.#old = new Int32Array(this.#width);
    this.#key = new Int32Array(keyColumns.length);
  }

  /**
   * A new row, all of it; but one that enters a publication's row filter comes as new without its unchanged TOAST, as if
   * from another shard.
   */
  upsert(newTuple: number): void {
    locateTuple(this.#buffer, newTuple, this.#tuple);
    const entry = this.#entryOf(this.#tuple);
    if (this.#isWhole()) this.#putWhole(entry, NEW);
    else this.#putPartial(entry, true);
  }

  delete(tuple: number): void {
    locateTuple(this.#buffer, tuple, this.#old);
    this.#remove(this.#entryOf(this.#old));
  }

  update(oldTuple: number, oldTupleIsRow: boolean, newTuple: number, action: UpdateAction): void {
    locateTuple(this.#buffer, newTuple, this.#tuple);
    let keyChanged = false;
    if (oldTuple !== 0) {
      locateTuple(this.#buffer, oldTuple, this.#old);
      if (oldTupleIsRow) this.#takeUnchanged(this.#old, 0);
      // A key value stored outside the row comes with the old key only.
      for (const column of this.#keyColumns) if (this.#tuple[column] === ABSENT) this.#tuple[column] = this.#old[column]!;
      keyChanged = !this.#sameKey();
    }
    if (keyChanged) {
      const former = this.#index.lookUp(this.#keyOf(this.#old));
      if (former >= 0 && (this.#states[former]! & (WHOLE | PARTIAL)) !== 0) this.#takeUnchanged(this.#offsets, former * this.#width);
      // Arriving rows may have had their old key on this shard too; the split sends that deletion by itself.
      this.#remove(this.#entryOf(this.#old));
    }
    const entry = this.#entryOf(this.#tuple);
    // Where the row on the shard was completed from the source, those values may be of the row that had its key there by
    // then. With the last of its keys it is looked up for good, so a row is not trusted across a change of its key; one
    // that may be on any shard is looked up by each, and kept where it belongs.
    if (this.#isWhole()) this.#putWhole(entry, action === Action.Update && !keyChanged ? PRESENT : 0);
    else this.#putPartial(entry, action === Action.Arrive || keyChanged);
  }

  steps(): ApplyStep[] {
    const steps: ApplyStep[] = [];
    const add = (mask: number, state: number, make: (rows: RowSet) => ApplyStep): void => {
      const rows = this.#select(mask, state);
      if (rows.count > 0) steps.push(make(rows));
    };
    add(DELETED, DELETED, (rows) => ({ kind: "delete", rows }));
    add(WHOLE | PRESENT, WHOLE | PRESENT, (rows) => ({ kind: "upsert", rows, before: "present" }));
    add(WHOLE | NEW, WHOLE | NEW, (rows) => ({ kind: "upsert", rows, before: "absent" }));
    add(WHOLE | PRESENT | NEW, WHOLE, (rows) => ({ kind: "upsert", rows, before: "unknown" }));
    steps.push(...this.#partialSteps());
    return steps;
  }

  #partialSteps(): ApplyStep[] {
    const groups = new Map<string, number[]>();
    for (let entry = 0; entry < this.#index.size; entry++) {
      if ((this.#states[entry]! & PARTIAL) === 0) continue;
      const columns: number[] = [];
      for (let column = 0; column < this.#width; column++) if (this.#offsets[entry * this.#width + column] !== ABSENT) columns.push(column);
      const group = `${(this.#states[entry]! & ARRIVING) !== 0}:${columns.join()}`;
      const entries = groups.get(group);
      if (entries === undefined) groups.set(group, [entry]);
      else entries.push(entry);
    }
    return [...groups.values()].map((entries) => {
      const first = entries[0]!;
      const columns = this.relation.columns.map((_, column) => column).filter((column) => this.#offsets[first * this.#width + column] !== ABSENT);
      return { kind: "update", rows: this.#rowsOf(entries), columns, arriving: (this.#states[first]! & ARRIVING) !== 0 };
    });
  }

  #select(mask: number, state: number): RowSet {
    const entries: number[] = [];
    for (let entry = 0; entry < this.#index.size; entry++) if ((this.#states[entry]! & mask) === state) entries.push(entry);
    return this.#rowsOf(entries);
  }

  #rowsOf(entries: readonly number[]): RowSet {
    const offsets = new Int32Array(entries.length * this.#width);
    entries.forEach((entry, row) => {
      offsets.set(this.#offsets.subarray(entry * this.#width, (entry + 1) * this.#width), row * this.#width);
    });
    return { relation: this.relation, buffer: this.#buffer, count: entries.length, offsets };
  }

  /** `told`: what this change tells of the row before it, `PRESENT`, `NEW` or neither. */
  #putWhole(entry: number, told: number): void {
    const before = this.#states[entry]!;
    this.#offsets.set(this.#tuple, entry * this.#width);
    // The upsert replaces whatever a deletion would have removed.
    this.#states[entry] = WHOLE | (before === 0 ? told : (before & NEW) | (before & told & PRESENT));
  }

  #putPartial(entry: number, arriving: boolean): void {
    const base = entry * this.#width;
    const before = this.#states[entry]!;
    const fresh = (before & (WHOLE | PARTIAL)) === 0;
    for (let column = 0; column < this.#width; column++) {
      if (this.#tuple[column] !== ABSENT) this.#offsets[base + column] = this.#tuple[column]!;
      else if (fresh) this.#offsets[base + column] = ABSENT;
    }
    if ((before & WHOLE) === 0) this.#states[entry] = before | PARTIAL | (arriving ? ARRIVING : 0);
  }

  /** The key stays in the entry, for the DELETE. */
  #remove(entry: number): void {
    const base = entry * this.#width;
    this.#offsets.fill(ABSENT, base, base + this.#width);
    this.#keyColumns.forEach((column) => {
      this.#offsets[base + column] = this.#old[column]!;
    });
    this.#states[entry] = DELETED;
  }

  #entryOf(tuple: Int32Array): number {
    const entry = this.#index.entryOf(this.#keyOf(tuple));
    if (entry >= this.#states.length) {
      const states = new Uint8Array(this.#states.length * 2);
      states.set(this.#states);
      this.#states = states;
      const offsets = new Int32Array(this.#offsets.length * 2);
      offsets.set(this.#offsets);
      this.#offsets = offsets;
    }
    return entry;
  }

  #keyOf(tuple: Int32Array): Int32Array {
    for (let column = 0; column < this.#keyColumns.length; column++) this.#key[column] = tuple[this.#keyColumns[column]!]!;
    return this.#key;
  }

  #sameKey(): boolean {
    return this.#keyColumns.every((column) => {
      const a = this.#old[column]!;
      const b = this.#tuple[column]!;
      return this.#buffer.compare(this.#buffer, b, b + valueBytes(this.#buffer, b), a, a + valueBytes(this.#buffer, a)) === 0;
    });
  }

  #takeUnchanged(from: Int32Array, base: number): void {
    for (let column = 0; column < this.#width; column++) if (this.#tuple[column] === ABSENT) this.#tuple[column] = from[base + column]!;
  }

  #isWhole(): boolean {
    for (let column = 0; column < this.#width; column++) if (this.#tuple[column] === ABSENT) return false;
    return true;
  }
}

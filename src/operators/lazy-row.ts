import { inspect } from "node:util";
import { ReshardError } from "../errors.js";
import { hasCodec, type Value } from "../postgres/value-codec.js";
import type { TableBatch } from "../table-batch.js";
import type { TableColumn, ValueColumn } from "../value-column.js";
import { RawValue } from "./raw-value.js";

/** What a row has in a column; undefined where it does not carry it, as a deleted row beside its key. */
export type RowValue = Value | RawValue | undefined;

/** A row's values by column. */
export type Row = Readonly<Record<string, RowValue>>;

const NO_ROW = -1;

/**
 * The rows of a table's batches, one at a time in one and the same object: nothing is made for a row, and a value is decoded
 * when it is first read. The object's getters are its own and enumerable, so that `{ ...row }` reads them all.
 */
export class LazyRow {
  readonly columns: readonly TableColumn[];
  /** The row that `moveTo` went to last. */
  readonly row: Row;
  readonly #places: ReadonlyMap<string, number>;
  readonly #hasCodec: readonly boolean[];
  #values: readonly ValueColumn[] = [];
  #number = NO_ROW;
  /** What was read, and of which row each is. */
  readonly #read: RowValue[];
  readonly #readOf: Int32Array;

  constructor(columns: readonly TableColumn[]) {
    this.columns = columns;
    this.#places = new Map(columns.map(({ name }, place) => [name, place]));
    this.#hasCodec = columns.map(({ type }) => hasCodec(type));
    this.#read = columns.map(() => undefined);
    this.#readOf = new Int32Array(columns.length);
    // A prototype for each: where objects of one have other getters under the same name, V8 makes slow dictionaries of them.
    const row = Object.create({}) as Row;
    columns.forEach(({ name }, place) => Object.defineProperty(row, name, { enumerable: true, get: () => this.value(place) }));
    Object.defineProperty(row, inspect.custom, { value: () => ({ ...row }) });
    this.row = Object.freeze(row);
  }

  /** Where the column is among the table's; -1: it has no such one. */
  placeOf(column: string): number {
    return this.#places.get(column) ?? -1;
  }

  begin(batch: TableBatch): void {
    this.#values = this.columns.map(({ name }) => batch.column(name));
    this.#readOf.fill(NO_ROW);
  }

  /** @param number of the batch that began, from 0 */
  moveTo(number: number): void {
    this.#number = number;
  }

  /** The row is nobody's any more. */
  end(): void {
    this.#values = [];
    this.#number = NO_ROW;
  }

  /** The value of the column at this place; the same one each time. */
  value(place: number): RowValue {
    const number = this.#number;
    if (this.#readOf[place] !== number) {
      this.#read[place] = this.#decode(place, number);
      this.#readOf[place] = number;
    }
    return this.#read[place];
  }

  hasRead(place: number): boolean {
    return this.#readOf[place] === this.#number;
  }

  #decode(place: number, number: number): RowValue {
    const column = this.#values[place];
    if (column === undefined) throw new ReshardError("OPERATOR_FAILED", `"${this.columns[place]!.name}" of a row was read when the function that was given the row had returned.`, { remedy: "Keep a copy of the row, { ...row }, or the values themselves." });
    if (this.#hasCodec[place] === true || column.format(number) === "text") return column.value(number);
    const bytes = column.bytes(number);
    return bytes === null || bytes === undefined ? bytes : new RawValue(this.columns[place]!.type, bytes);
  }
}

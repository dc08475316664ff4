import { ReshardError } from "./errors.js";
import { displayName, type TableName } from "./postgres/identifiers.js";
import { type Value, type ValueCodec, valueCodec } from "./postgres/value-codec.js";
import type { ValueFormat } from "./postgres/value-format.js";

/** A column as operators see it. */
export interface TableColumn {
  readonly name: string;
  /** `pg_type.typname`, of the base type where it is a domain: `int8`, `text`, `timestamptz` … */
  readonly type: string;
  /** Names the row together with the other columns of the key. */
  readonly partOfKey: boolean;
}

/** In `lengths`: the value is NULL, or the row does not carry it (what is not in the key of a deleted row). */
export const NULL_VALUE = -1;
export const ABSENT_VALUE = -2;

/** Where the values of rows lie: value `column` of row `i` is at `i * width + column`. */
export interface ValuePositions {
  readonly buffer: Buffer;
  readonly offsets: Int32Array;
  /** Bytes, `NULL_VALUE` or `ABSENT_VALUE`. */
  readonly lengths: Int32Array;
  /** 1: in text, whatever the batch's format is. */
  readonly texts: Uint8Array;
}

/** Where the values of one column lie: for loops that cannot afford a `Buffer` for each value. */
export class ValueSpans {
  readonly buffer: Buffer;
  readonly #positions: ValuePositions;
  readonly #rows: Uint32Array;
  readonly #width: number;
  readonly #place: number;
  readonly #textAlways: boolean;

  constructor(positions: ValuePositions, rows: Uint32Array, width: number, place: number, format: ValueFormat) {
    this.buffer = positions.buffer;
    this.#positions = positions;
    this.#rows = rows;
    this.#width = width;
    this.#place = place;
    this.#textAlways = format === "text";
  }

  offset(row: number): number {
    return this.#positions.offsets[this.#rows[row]! * this.#width + this.#place]!;
  }

  /** Bytes, `NULL_VALUE` or `ABSENT_VALUE`. */
  length(row: number): number {
    return this.#positions.lengths[this.#rows[row]! * this.#width + this.#place]!;
  }

  isText(row: number): boolean {
    return this.#textAlways || this.#positions.texts[this.#rows[row]! * this.#width + this.#place] === 1;
  }
}

/** In place of a value's bytes: they are to stay what they are. */
export const KEPT = Symbol("kept");

/** Where a column's values are: in the bytes that came, or made by an operator for each row that came; or it has none yet. */
export type ColumnSource = PlainSource | { readonly kind: "changed"; readonly made: PlainSource; readonly before: ColumnSource; /** By row that came: 1 where it is as before. */ readonly kept: Uint8Array };
export type PlainSource =
  | { readonly kind: "carried"; readonly place: number }
  | { readonly kind: "null" }
  | { readonly kind: "made"; readonly values: readonly (Buffer | null | undefined)[] };

/** The values of a column, row by row of the batch. */
export class ValueColumn {
  readonly #table: TableName;
  readonly #column: TableColumn;
  readonly #format: ValueFormat;
  readonly #rows: Uint32Array;
  readonly #source: ColumnSource;
  readonly #positions: () => ValuePositions;
  readonly #width: number;
  #codec: ValueCodec | undefined;

  constructor(table: TableName, column: TableColumn, format: ValueFormat, rows: Uint32Array, source: ColumnSource, positions: () => ValuePositions, width: number) {
    this.#table = table;
    this.#column = column;
    this.#format = format;
    this.#rows = rows;
    this.#source = source;
    this.#positions = positions;
    this.#width = width;
  }

  get codec(): ValueCodec {
    return (this.#codec ??= valueCodec(this.#column.type));
  }

  /** Undefined: they are not those that came, but made by an operator. */
  get spans(): ValueSpans | undefined {
    if (this.#source.kind !== "carried") return undefined;
    return new ValueSpans(this.#positions(), this.#rows, this.#width, this.#source.place, this.#format);
  }

  /** What `bytes` are. */
  format(row: number): ValueFormat {
    const origin = this.#rows[row]!;
    const source = sourceOf(this.#source, origin);
    if (source.kind !== "carried") return this.#format;
    return this.#positions().texts[origin * this.#width + source.place] === 1 ? "text" : this.#format;
  }

  /** Undefined: the row does not carry it. */
  bytes(row: number): Buffer | null | undefined {
    const origin = this.#rows[row]!;
    const source = sourceOf(this.#source, origin);
    if (source.kind === "null") return null;
    if (source.kind === "made") return source.values[origin];
    const { buffer, offsets, lengths } = this.#positions();
    const at = origin * this.#width + source.place;
    const length = lengths[at]!;
    if (length >= 0) return buffer.subarray(offsets[at], offsets[at]! + length);
    return length === NULL_VALUE ? null : undefined;
  }

  /** Of `bytes`; or `NULL_VALUE`, or `ABSENT_VALUE`. */
  length(row: number): number {
    const origin = this.#rows[row]!;
    const source = sourceOf(this.#source, origin);
    if (source.kind === "carried") return this.#positions().lengths[origin * this.#width + source.place]!;
    const bytes = source.kind === "null" ? null : source.values[origin];
    return bytes?.length ?? (bytes === null ? NULL_VALUE : ABSENT_VALUE);
  }

  /** Writes the bytes of a value that has some, without a `Buffer` made for it. @returns where they end */
  copy(row: number, into: Buffer, at: number): number {
    const origin = this.#rows[row]!;
    const source = sourceOf(this.#source, origin);
    if (source.kind !== "carried") return at + this.bytes(row)!.copy(into, at);
    const { buffer, offsets, lengths } = this.#positions();
    const place = origin * this.#width + source.place;
    const from = offsets[place]!;
    const length = lengths[place]!;
    if (length > LONGEST_IN_LOOP) buffer.copy(into, at, from, from + length);
    else for (let byte = 0; byte < length; byte++) into[at + byte] = buffer[from + byte]!;
    return at + length;
  }

  isAbsent(row: number): boolean {
    return this.length(row) === ABSENT_VALUE;
  }

  /** Undefined: the row does not carry it. */
  value(row: number): Value | undefined {
    const bytes = this.bytes(row);
    if (bytes === null || bytes === undefined) return bytes;
    try {
      return this.codec.decode(bytes, this.format(row));
    } catch (error) {
      if (!(error instanceof ReshardError)) throw error;
      throw new ReshardError(error.code, `${displayName(this.#table)}.${this.#column.name}: ${error.message}`, { ...(error.remedy === undefined ? {} : { remedy: error.remedy }), place: { table: displayName(this.#table) }, cause: error });
    }
  }
}

/** Bytes: a call of `copy` takes longer than a loop over fewer. */
const LONGEST_IN_LOOP = 24;

/** Where the value of a row is. */
function sourceOf(source: ColumnSource, origin: number): PlainSource {
  let found = source;
  while (found.kind === "changed") found = found.kept[origin] === 1 ? found.before : found.made;
  return found;
}

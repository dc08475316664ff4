import { COLUMN_NULL, COLUMN_TEXT, COLUMN_UNCHANGED } from "../postgres/pgoutput-tuple.js";
import { type ValueCodec, valueCodec } from "../postgres/value-codec.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch } from "../row-batch.js";
import { NULL_VALUE } from "../value-column.js";
import { locateRows } from "./locate-values.js";

/** A column's name, and the `pg_type.typname` of its base type. */
export interface TypedColumn {
  readonly name: string;
  readonly type: string;
}

/** A value as its type's output function writes it; null is NULL, and undefined where the row does not carry it. */
export type ValueText = string | null | undefined;

/** Reads rows' values as texts. */
export class ValueTexts {
  readonly #codecs: readonly ValueCodec[];

  constructor(columns: readonly TypedColumn[]) {
    this.#codecs = columns.map(({ type }) => valueCodec(type));
  }

  /** Calls back with each row of a COPY. */
  eachRow(batch: RowBatch, format: ValueFormat, use: (values: readonly ValueText[]) => void): void {
    const width = this.#codecs.length;
    const { buffer, offsets, lengths } = locateRows(batch, width, format);
    for (let row = 0; row < batch.count; row++) {
      const values = new Array<ValueText>(width);
      for (let column = 0; column < width; column++) {
        const place = row * width + column;
        values[column] = lengths[place] === NULL_VALUE ? null : this.#textOf(column, buffer, offsets[place]!, lengths[place]!, format);
      }
      use(values);
    }
  }

  /**
   * The values of a TupleData.
   * @param isCarried false for columns that the tuple does not tell: of a key, those beside it
   */
  ofTuple(buffer: Buffer, tuple: number, isCarried: (column: number) => boolean = () => true): ValueText[] {
    const values: ValueText[] = [];
    let at = tuple + 2; // behind the number of columns
    for (let column = 0; column < this.#codecs.length; column++) {
      const kind = buffer[at]!;
      if (kind === COLUMN_NULL || kind === COLUMN_UNCHANGED) {
        values.push(kind === COLUMN_NULL && isCarried(column) ? null : undefined);
        at += 1;
        continue;
      }
      const length = buffer.readInt32BE(at + 1);
      values.push(isCarried(column) ? this.#textOf(column, buffer, at + 5, length, kind === COLUMN_TEXT ? "text" : "binary") : undefined);
      at += 5 + length;
    }
    return values;
  }

  #textOf(column: number, buffer: Buffer, start: number, length: number, format: ValueFormat): string {
    if (format === "text") return buffer.toString("utf8", start, start + length);
    const codec = this.#codecs[column]!;
    return codec.encode(codec.decode(buffer.subarray(start, start + length), "binary"), "text").toString("utf8");
  }
}

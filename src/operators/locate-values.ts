import { BACKSLASH, isTextNull, textFieldEnd, unescapeTextField } from "../postgres/copy-text.js";
import { COLUMN_NULL, COLUMN_TEXT, COLUMN_UNCHANGED } from "../postgres/pgoutput-tuple.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch } from "../row-batch.js";
import { ABSENT_VALUE, NULL_VALUE, type ValuePositions } from "../value-column.js";

/** The values of rows that a COPY brings. @param width fields of a row */
export function locateRows(batch: Pick<RowBatch, "buffer" | "count" | "starts" | "ends">, width: number, format: ValueFormat): ValuePositions {
  return format === "binary" ? locateBinary(batch, width) : locateText(batch, width);
}

function locateBinary({ buffer, count, starts }: Pick<RowBatch, "buffer" | "count" | "starts">, width: number): ValuePositions {
  const offsets = new Int32Array(count * width);
  const lengths = new Int32Array(count * width);
  for (let row = 0; row < count; row++) {
    let at = starts[row]! + 2; // behind the number of fields
    for (let place = row * width; place < (row + 1) * width; place++) {
      const length = buffer.readInt32BE(at);
      at += 4;
      offsets[place] = at;
      lengths[place] = length;
      if (length > 0) at += length;
    }
  }
  return { buffer, offsets, lengths, texts: new Uint8Array(count * width) };
}

function locateText({ buffer, count, starts, ends }: Pick<RowBatch, "buffer" | "count" | "starts" | "ends">, width: number): ValuePositions {
  const offsets = new Int32Array(count * width);
  const lengths = new Int32Array(count * width);
  /** Values with backslashes are written plain behind the rows. */
  const plain: Buffer[] = [];
  let end = buffer.length;
  /** The next backslash: looked for once, and not by each value to the end of the batch. */
  let escape = -1;
  for (let row = 0; row < count; row++) {
    let at = starts[row]!;
    for (let place = row * width; place < (row + 1) * width; place++) {
      const fieldEnd = textFieldEnd(buffer, at, ends[row]!);
      if (isTextNull(buffer, at, fieldEnd)) lengths[place] = NULL_VALUE;
      else {
        if (escape < at) {
          const found = buffer.indexOf(BACKSLASH, at);
          escape = found < 0 ? buffer.length : found;
        }
        if (escape >= fieldEnd) {
          offsets[place] = at;
          lengths[place] = fieldEnd - at;
        } else {
          const value = Buffer.allocUnsafe(fieldEnd - at);
          const length = unescapeTextField(buffer, at, fieldEnd, value);
          offsets[place] = end;
          lengths[place] = length;
          plain.push(value.subarray(0, length));
          end += length;
        }
      }
      at = fieldEnd + 1;
    }
  }
  return { buffer: plain.length === 0 ? buffer : Buffer.concat([buffer, ...plain]), offsets, lengths, texts: new Uint8Array(count * width).fill(1) };
}

/**
 * The values of tuples of changes.
 * @param tuples where each begins
 * @param carries 0 for columns that the tuples do not tell: of a key, those beside it
 */
export function locateTuples(buffer: Buffer, tuples: Uint32Array, width: number, carries: Uint8Array): ValuePositions {
  const count = tuples.length;
  const offsets = new Int32Array(count * width);
  const lengths = new Int32Array(count * width);
  const texts = new Uint8Array(count * width);
  for (let row = 0; row < count; row++) {
    let at = tuples[row]! + 2; // behind the number of columns
    for (let column = 0; column < width; column++) {
      const place = row * width + column;
      const kind = buffer[at]!;
      if (kind === COLUMN_NULL || kind === COLUMN_UNCHANGED) {
        lengths[place] = kind === COLUMN_UNCHANGED || carries[column] === 0 ? ABSENT_VALUE : NULL_VALUE;
        at += 1;
        continue;
      }
      const length = buffer.readInt32BE(at + 1);
      offsets[place] = at + 5;
      lengths[place] = carries[column] === 0 ? ABSENT_VALUE : length;
      texts[place] = kind === COLUMN_TEXT ? 1 : 0;
      at += 5 + length;
    }
  }
  return { buffer, offsets, lengths, texts };
}

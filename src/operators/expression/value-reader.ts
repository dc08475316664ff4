import type { ValueColumn } from "../../value-column.js";

/** Reads a value where it lies. @param isText of the type's output function, else of its send function */
export type ReadValue<T> = (buffer: Buffer, offset: number, length: number, isText: boolean) => T;

/** Applies `read` to the values of a column that are there, row by row; `otherwise` where there is none. */
export function valueReader<T, N>(column: ValueColumn, read: ReadValue<T>, otherwise: N): (row: number) => T | N {
  const { spans } = column;
  if (spans === undefined) {
    return (row) => {
      const bytes = column.bytes(row);
      return bytes === null || bytes === undefined ? otherwise : read(bytes, 0, bytes.length, column.format(row) === "text");
    };
  }
  const { buffer } = spans;
  return (row) => {
    const length = spans.length(row);
    return length < 0 ? otherwise : read(buffer, spans.offset(row), length, spans.isText(row));
  };
}

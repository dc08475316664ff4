import { encodeCopyHeader, encodeCopyTrailer } from "./copy-binary.js";
import type { RowPositions } from "./copy-row-positions.js";
import { TextRowScanner } from "./copy-text-scanner.js";
import { TupleScanner, type TupleScannerOptions } from "./copy-tuple-scanner.js";
import type { ValueFormat } from "./value-format.js";

/** Finds the rows in the output of a COPY, whatever its format; see `TupleScanner` and `TextRowScanner`. */
export interface RowScanner {
  scan(buffer: Buffer, start: number, end: number, rows: RowPositions): number;
  finish(): void;
}

export function rowScanner(format: ValueFormat, options: TupleScannerOptions): RowScanner {
  return format === "text" ? new TextRowScanner(options) : new TupleScanner(options);
}

/** What comes before the rows that are sent to a server. */
export function copyHeader(format: ValueFormat): Buffer {
  return format === "text" ? NOTHING : encodeCopyHeader();
}

/** What comes after them: in text nothing, for the protocol's CopyDone ends it (manual, "COPY Operations"). */
export function copyTrailer(format: ValueFormat): Buffer {
  return format === "text" ? NOTHING : encodeCopyTrailer();
}

const NOTHING = Buffer.alloc(0);

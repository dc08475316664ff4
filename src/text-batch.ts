import type { Batch } from "./flow.js";
import type { Lsn } from "./postgres/lsn.js";

/** Rows or changes written out, ready for a file. */
export interface TextBatch extends Batch<Lsn> {
  /** UTF-8; whole lines. */
  readonly text: Buffer;
}

import { map } from "rxjs";
import type { Batch, Receipt, Sink } from "../flow.js";
import type { Lsn } from "../postgres/lsn.js";

/** Takes everything and keeps nothing: for a look at what comes, and how fast. */
export function countOnly(): Sink<Batch<Lsn>, Lsn> {
  return map(({ sequence, resume }): Receipt<Lsn> => ({ taken: sequence, ...(resume === undefined ? {} : { durable: resume }) }));
}

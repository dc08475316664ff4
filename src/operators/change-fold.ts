import type { ApplyStep } from "../apply-step.js";
import type { Action } from "../change-batch.js";

export type UpdateAction = typeof Action.Update | typeof Action.UpdateAnywhere | typeof Action.Arrive;

/** Gathers the changes of one table to their net effect. Tuples are offsets of a TupleData in the batch's buffer. */
export interface ChangeFold {
  /** A new row. */
  upsert(newTuple: number): void;
  /** The row that this tuple names is gone. */
  delete(tuple: number): void;
  /** A changed row. `oldTuple` is 0 where the key did not change and no old row was sent. */
  update(oldTuple: number, oldTupleIsRow: boolean, newTuple: number, action: UpdateAction): void;
  /** The statements for everything folded so far: removals first, so that values they hold are free. */
  steps(): ApplyStep[];
}

import type { RowSet } from "../apply-step.js";
import type { KeyType } from "../config/types.js";

/** Whose rows are whose, for a table that several source shards bring to one shard. */
export interface Ownership {
  /**
   * The key of a row tells its source shard, so that no two can have one of the same key. Where it does not, a row that
   * moves between source shards is on both or on neither for a while, as far as their streams have come.
   */
  readonly keyTells: boolean;
  /** The column whose value tells; undefined where all rows are one source shard's. */
  readonly column: { readonly name: string; readonly dataType: KeyType } | undefined;
  /** Whether a row with this value of the column, in binary form, is the source shard's that streams here; undefined is NULL. */
  readonly isOwn: (value: Buffer | undefined) => boolean;
  /** Where rows of these keys are at present. What is answered may be older than the next answer, never than the stream. */
  readonly whereabouts: (rows: RowSet, places: readonly number[]) => Promise<readonly Whereabouts[]>;
}

export interface Whereabouts {
  /** On the source shard that streams here. */
  readonly here: boolean;
  /** On another one. */
  readonly elsewhere: boolean;
}

/**
 * What becomes of a change by one source shard to a row that is on the shard as another one's:
 *
 * - `take`: it moved here; the other source shard's deletion is still to come, and will leave the row alone.
 * - `leave`: it has moved on; this source shard's deletion is still to come, and will leave the row alone.
 * - `wait`: it is on both, as in the middle of a move: which of the two is the later cannot be told yet.
 *
 * Where it is on neither, both deletions are still to come and either will do.
 */
export function contested(what: "put" | "delete", { here, elsewhere }: Whereabouts): "take" | "leave" | "wait" {
  if (what === "delete") return elsewhere ? "leave" : "take";
  if (here && elsewhere) return "wait";
  return elsewhere ? "leave" : "take";
}

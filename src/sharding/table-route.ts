import type { KeyType } from "../config/types.js";

/** The key is NULL: no shard, unless a default takes it. */
export const NULL_KEY = -1;
/** No rule covers the key's value. */
export const UNCOVERED_KEY = -2;
/** Not one shard but each of them (omnisharded tables, old rows whose shard is not known). */
export const EVERY_SHARD = -3;
/** None of them: not taken from this source shard. */
export const NO_SHARD = -4;
/** One of them, and the change does not tell which: that which the row is on. */
export const UNKNOWN_SHARD = -5;

/**
 * The shard (from 0) of a key in PostgreSQL's binary send format, or `NULL_KEY` or `UNCOVERED_KEY`.
 * `length` is -1 for NULL. Reads bytes only; allocates nothing.
 */
export type ShardOfKey = (bytes: Buffer, offset: number, length: number) => number;

/** Where the rows of one table go. */
export type TableRoute =
  /** The same rows on every shard. */
  | { readonly kind: "omnisharded" }
  /** All rows on one shard (a rule on its schema). */
  | { readonly kind: "fixed"; readonly shard: number }
  /** By a column's value. */
  | { readonly kind: "key"; readonly column: string; readonly dataType: KeyType; readonly shardOf: ShardOfKey };

import type { Batch } from "./flow.js";
import type { Lsn } from "./postgres/lsn.js";
import type { PgoutputRelation, PgoutputTruncate } from "./postgres/pgoutput-message.js";

/** A source transaction, as its Begin message names it. */
export interface SourceTransaction {
  /** LSN of the commit record: what snapshots and progress are compared with. */
  readonly commitLsn: Lsn;
  readonly xid: number;
}

/** What a change does to a row; also the byte that names the message in pgoutput. */
export const INSERT = 0x49; // I
export const UPDATE = 0x55; // U
export const DELETE = 0x44; // D
export const TRUNCATE = 0x54; // T

/** In `oldTuples` and `newTuples`: the change has no such tuple. */
export const NO_TUPLE = 0;

/**
 * Changes of one source shard in commit order, values left where the socket put them. Change `i` has kind `kinds[i]`,
 * table `relations[relationOf[i]]`, transaction `transactions[transactionOf[i]]`, and offsets of its TupleData in
 * `buffer` (each begins with the Int16 number of columns; a column is `n`, `u`, or `t`/`b` with an Int32 length).
 */
export interface ChangeBatch extends Batch<Lsn> {
  readonly buffer: Buffer;
  readonly count: number;
  readonly kinds: Uint8Array;
  readonly relations: readonly PgoutputRelation[];
  readonly relationOf: Uint32Array;
  readonly transactions: readonly SourceTransaction[];
  readonly transactionOf: Uint32Array;
  /** The old key or old row, or `NO_TUPLE`. */
  readonly oldTuples: Uint32Array;
  /** 1 where the old tuple is a whole row (REPLICA IDENTITY FULL), 0 where it is a key. */
  readonly oldTupleIsRow: Uint8Array;
  readonly newTuples: Uint32Array;
  /** The messages of the batch's TRUNCATEs, by change. */
  readonly truncates: ReadonlyMap<number, PgoutputTruncate>;
}

/** Changes with the shards that hold the row before and after; see `shardChanges`. */
export interface ShardedChangeBatch extends ChangeBatch {
  /** Shard of the new row, `EVERY_SHARD`, `NO_SHARD`, or `UNKNOWN_SHARD` where it stays on the one it is on. */
  readonly newShards: Int16Array;
  /** Shard of the old row; `EVERY_SHARD` where the change does not tell. */
  readonly oldShards: Int16Array;
}

/** What one shard has to do for a change. */
export const Action = {
  /** Put the new row in, whatever was there. */
  Upsert: 0,
  /** The row is here before and after, as one of an omnisharded table always is: set what the change carries. */
  Update: 1,
  /** The same, of a row that stays on the shard it is on, which may be another. */
  UpdateAnywhere: 2,
  /** The row comes from another shard: like an update of a row that is not here yet. */
  Arrive: 3,
  /** Remove the row that the old tuple names, or the new one where the key did not change. */
  Delete: 4,
  Truncate: 5,
} as const;
export type Action = (typeof Action)[keyof typeof Action];

/** The changes of a batch that concern one shard: change `changes[i]` asks for `actions[i]`. */
export interface ShardChanges extends Batch<Lsn> {
  readonly batch: ChangeBatch;
  readonly count: number;
  readonly changes: Uint32Array;
  readonly actions: Uint8Array;
}

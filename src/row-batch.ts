import type { Batch } from "./flow.js";
import type { Lsn } from "./postgres/lsn.js";

/** Bytes of a COPY, cut anywhere: piece `i` is `buffer[starts[i] .. ends[i])`. */
export interface CopyBatch extends Batch<Lsn> {
  readonly buffer: Buffer;
  readonly count: number;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/**
 * Rows of one table as COPY has them (file header and trailer are gone): row `i` is `buffer[starts[i] .. ends[i])`. In
 * binary it begins with its Int16 number of fields, in text it ends with its line feed. Between rows may lie bytes that belong to nobody.
 */
export interface RowBatch extends Batch<Lsn> {
  readonly buffer: Buffer;
  readonly count: number;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/** Rows with the shard of each, or `EVERY_SHARD` for all of them. */
export interface ShardedRowBatch extends RowBatch {
  readonly shards: Int16Array;
}

/** Rows laid together per shard, ready to be written: `parts[shard]` is tuple after tuple, without gaps. */
export interface PartitionedRowBatch extends Batch<Lsn> {
  readonly parts: readonly Buffer[];
  /** Rows in each part. */
  readonly counts: readonly number[];
}

/** What one shard gets of a `PartitionedRowBatch`. */
export interface RowPart extends Batch<Lsn> {
  readonly part: Buffer;
  readonly rows: number;
}

import { map } from "rxjs";
import type { Operator } from "../flow.js";
import type { PartitionedRowBatch, ShardedRowBatch } from "../row-batch.js";
import { EVERY_SHARD } from "../sharding/table-route.js";

/**
 * Lays the rows of each shard together, ready to be written.
 *
 * ```
 * in   [a b c d, shards 0 1 1 0]
 * out  [[a d] [b c]]
 * ```
 *
 * @example
 * rows$.pipe(shardRows({ table, route }), partitionRows(2))
 */
export function partitionRows(shards: number): Operator<ShardedRowBatch, PartitionedRowBatch> {
  return map((batch) => ({
    sequence: batch.sequence,
    ...(batch.resume === undefined ? {} : { resume: batch.resume }),
    ...partition(batch, shards),
  }));
}

function partition(batch: ShardedRowBatch, shards: number): Pick<PartitionedRowBatch, "parts" | "counts" | "bytes"> {
  const { buffer, starts, ends, count, shards: shardOf } = batch;
  // Sizes first: each part is allocated once, exactly. The extra place is for rows of every shard.
  const sizes = new Uint32Array(shards + 1);
  const counts = new Array<number>(shards + 1).fill(0);
  for (let row = 0; row < count; row++) {
    const shard = shardOf[row] === EVERY_SHARD ? shards : shardOf[row]!;
    sizes[shard]! += ends[row]! - starts[row]!;
    counts[shard]!++;
  }
  const parts = Array.from(sizes, (size) => Buffer.allocUnsafeSlow(size));
  const filled = new Uint32Array(shards + 1);
  for (let row = 0; row < count; row++) {
    const shard = shardOf[row] === EVERY_SHARD ? shards : shardOf[row]!;
    const start = starts[row]!;
    const end = ends[row]!;
    buffer.copy(parts[shard]!, filled[shard], start, end);
    filled[shard]! += end - start;
  }
  const common = parts.pop()!;
  const commonCount = counts.pop()!;
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  if (commonCount === 0) return { parts, counts, bytes };
  return {
    parts: parts.map((part) => (part.length === 0 ? common : Buffer.concat([part, common]))),
    counts: counts.map((own) => own + commonCount),
    bytes,
  };
}

/** One shard's part of a partitioned batch, for `toShards`. */
export function rowPart(batch: PartitionedRowBatch, shard: number): { sequence: number; bytes: number; resume?: bigint; part: Buffer; rows: number } {
  const part = batch.parts[shard]!;
  return { sequence: batch.sequence, bytes: part.length, ...(batch.resume === undefined ? {} : { resume: batch.resume }), part, rows: batch.counts[shard]! };
}

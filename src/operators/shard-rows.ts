import { map } from "rxjs";
import type { Operator } from "../flow.js";
import type { Column } from "../postgres/catalog.js";
import type { TableName } from "../postgres/identifiers.js";
import type { RowBatch, ShardedRowBatch } from "../row-batch.js";
import { EVERY_SHARD, type NULL_KEY, type TableRoute } from "../sharding/table-route.js";
import { unroutableKey } from "../sharding/unroutable-key.js";

export interface ShardRowsOptions {
  readonly table: TableName & { readonly columns: readonly Pick<Column, "name">[] };
  readonly route: TableRoute;
}

/**
 * Notes each row's shard. Only the key's bytes are looked at; the fields before it are stepped over.
 *
 * ```
 * in   [a b c d]
 * out  [a b c d, shards 0 1 1 0]
 * ```
 *
 * @example
 * source.pipe(decodeTuples(), shardRows({ table, route: { kind: "key", column: "user_id", shardOf } }))
 */
export function shardRows(options: ShardRowsOptions): Operator<RowBatch, ShardedRowBatch> {
  const shardsOf = shardsFunction(options);
  return map((batch: RowBatch) => ({ ...batch, shards: shardsOf(batch) }));
}

function shardsFunction({ table, route }: ShardRowsOptions): (batch: RowBatch) => Int16Array {
  if (route.kind === "omnisharded") return (batch) => new Int16Array(batch.count).fill(EVERY_SHARD);
  if (route.kind === "fixed") return (batch) => new Int16Array(batch.count).fill(route.shard);
  const { column, shardOf } = route;
  const keyIndex = table.columns.findIndex((candidate) => candidate.name === column);
  return (batch) => {
    const { buffer, starts, count } = batch;
    const shards = new Int16Array(count);
    for (let row = 0; row < count; row++) {
      let at = starts[row]! + 2; // behind the number of fields
      for (let field = 0; field < keyIndex; field++) {
        const length = (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!;
        at += length < 0 ? 4 : 4 + length;
      }
      const length = (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!;
      const shard = shardOf(buffer, at + 4, length);
      if (shard < 0) throw unroutableKey(shard as typeof NULL_KEY, table, column);
      shards[row] = shard;
    }
    return shards;
  };
}

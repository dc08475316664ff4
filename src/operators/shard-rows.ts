import { map } from "rxjs";
import type { Operator } from "../flow.js";
import type { Column } from "../postgres/catalog.js";
import type { TableName } from "../postgres/identifiers.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch, ShardedRowBatch } from "../row-batch.js";
import { EVERY_SHARD, type NULL_KEY, type TableRoute } from "../sharding/table-route.js";
import { unroutableKey } from "../sharding/unroutable-key.js";
import { keyShards } from "./key-shards.js";

export interface ShardRowsOptions {
  readonly table: TableName & { readonly columns: readonly Pick<Column, "name">[] };
  readonly route: TableRoute;
  /** What the rows are in; binary where absent. */
  readonly format?: ValueFormat;
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
 * source.pipe(decodeTuples(), shardRows({ table, route: { kind: "key", column: "user_id", dataType: "bigint", shardOf } }))
 */
export function shardRows(options: ShardRowsOptions): Operator<RowBatch, ShardedRowBatch> {
  const shardsOf = shardsFunction(options);
  return map((batch: RowBatch) => ({ ...batch, shards: shardsOf(batch) }));
}

function shardsFunction({ table, route, format = "binary" }: ShardRowsOptions): (batch: RowBatch) => Int16Array {
  if (route.kind === "omnisharded") return (batch) => new Int16Array(batch.count).fill(EVERY_SHARD);
  if (route.kind === "fixed") return (batch) => new Int16Array(batch.count).fill(route.shard);
  const index = table.columns.findIndex((candidate) => candidate.name === route.column);
  const shardsOf = keyShards({ table, route, index, format });
  return (batch) => {
    const shards = shardsOf(batch);
    const unroutable = shards.find((shard) => shard < 0);
    if (unroutable !== undefined) throw unroutableKey(unroutable as typeof NULL_KEY, table, route.column);
    return shards;
  };
}

import { map } from "rxjs";
import { defect } from "../errors.js";
import type { Operator } from "../flow.js";
import type { Column } from "../postgres/catalog.js";
import { BACKSLASH, isTextNull, textFieldAt, textFieldEnd, unescapeTextField } from "../postgres/copy-text.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch, ShardedRowBatch } from "../row-batch.js";
import { EVERY_SHARD, type NULL_KEY, type TableRoute } from "../sharding/table-route.js";
import { textKeyRouter } from "../sharding/text-key.js";
import { unroutableKey } from "../sharding/unroutable-key.js";

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

type ShardsFunction = (batch: RowBatch) => Int16Array;

function shardsFunction({ table, route, format }: ShardRowsOptions): ShardsFunction {
  if (route.kind === "omnisharded") return (batch) => new Int16Array(batch.count).fill(EVERY_SHARD);
  if (route.kind === "fixed") return (batch) => new Int16Array(batch.count).fill(route.shard);
  const keyIndex = table.columns.findIndex((candidate) => candidate.name === route.column);
  return format === "text" ? shardsOfText(table, route, keyIndex) : shardsOfTuples(table, route, keyIndex);
}

type KeyRoute = Extract<TableRoute, { kind: "key" }>;

function shardsOfTuples(table: TableName, { column, shardOf }: KeyRoute, keyIndex: number): ShardsFunction {
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

/** The same for text. A key without escapes, as all but some texts are, is read where it lies. */
function shardsOfText(table: TableName, { column, dataType, shardOf }: KeyRoute, keyIndex: number): ShardsFunction {
  const shardOfText = textKeyRouter(shardOf, dataType);
  let unescaped = Buffer.alloc(256);
  return ({ buffer, starts, ends, count }) => {
    const shards = new Int16Array(count);
    for (let row = 0; row < count; row++) {
      const rowEnd = ends[row]!;
      const start = textFieldAt(buffer, starts[row]!, rowEnd, keyIndex);
      if (start < 0) throw defect(`a copied row of ${displayName(table)} has fewer than ${keyIndex + 1} fields`);
      const end = textFieldEnd(buffer, start, rowEnd);
      let shard: number;
      if (!hasEscape(buffer, start, end)) shard = shardOfText(buffer, start, end - start);
      else if (isTextNull(buffer, start, end)) shard = shardOfText(buffer, start, -1);
      else {
        if (unescaped.length < end - start) unescaped = Buffer.alloc(2 * (end - start));
        shard = shardOfText(unescaped, 0, unescapeTextField(buffer, start, end, unescaped));
      }
      if (shard < 0) throw unroutableKey(shard as typeof NULL_KEY, table, column);
      shards[row] = shard;
    }
    return shards;
  };
}

function hasEscape(buffer: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buffer[at] === BACKSLASH) return true;
  return false;
}

import { defect } from "../errors.js";
import { BACKSLASH, isTextNull, textFieldAt, textFieldEnd, unescapeTextField } from "../postgres/copy-text.js";
import { displayName, type TableName } from "../postgres/identifiers.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { RowBatch } from "../row-batch.js";
import type { TableRoute } from "../sharding/table-route.js";
import { textKeyRouter } from "../sharding/text-key.js";

export interface KeyShardsOptions {
  readonly table: TableName;
  readonly route: Extract<TableRoute, { kind: "key" }>;
  /** Place of the sharding key among the fields of a row. */
  readonly index: number;
  /** What the rows are in. */
  readonly format: ValueFormat;
}

export type KeyShards = (rows: Pick<RowBatch, "buffer" | "starts" | "ends" | "count">) => Int16Array;

/** Finds the shard of each row from its sharding key; negative where no shard takes it, as `ShardOfKey` says it. */
export function keyShards(options: KeyShardsOptions): KeyShards {
  return options.format === "text" ? ofText(options) : ofTuples(options);
}

function ofTuples({ route: { shardOf }, index }: KeyShardsOptions): KeyShards {
  return ({ buffer, starts, count }) => {
    const shards = new Int16Array(count);
    for (let row = 0; row < count; row++) {
      let at = starts[row]! + 2; // behind the number of fields
      for (let field = 0; field < index; field++) {
        const length = (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!;
        at += length < 0 ? 4 : 4 + length;
      }
      const length = (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!;
      shards[row] = shardOf(buffer, at + 4, length);
    }
    return shards;
  };
}

/** The same for text. A key without escapes, as all but some texts are, is read where it lies. */
function ofText({ table, route: { dataType, shardOf }, index }: KeyShardsOptions): KeyShards {
  const shardOfText = textKeyRouter(shardOf, dataType);
  let unescaped = Buffer.alloc(256);
  return ({ buffer, starts, ends, count }) => {
    const shards = new Int16Array(count);
    for (let row = 0; row < count; row++) {
      const rowEnd = ends[row]!;
      const start = textFieldAt(buffer, starts[row]!, rowEnd, index);
      if (start < 0) throw defect(`a copied row of ${displayName(table)} has fewer than ${index + 1} fields`);
      const end = textFieldEnd(buffer, start, rowEnd);
      if (!hasEscape(buffer, start, end)) shards[row] = shardOfText(buffer, start, end - start);
      else if (isTextNull(buffer, start, end)) shards[row] = shardOfText(buffer, start, -1);
      else {
        if (unescaped.length < end - start) unescaped = Buffer.alloc(2 * (end - start));
        shards[row] = shardOfText(unescaped, 0, unescapeTextField(buffer, start, end, unescaped));
      }
    }
    return shards;
  };
}

function hasEscape(buffer: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (buffer[at] === BACKSLASH) return true;
  return false;
}

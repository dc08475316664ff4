import type { RowSet } from "../apply-step.js";
import { COLUMN_NULL, COLUMN_TEXT } from "../postgres/pgoutput-tuple.js";
import type { TableRoute } from "../sharding/table-route.js";
import { textKeyRouter } from "../sharding/text-key.js";

/**
 * Of whole rows those that belong on a shard. A row whose key no rule takes belongs on none: the stream stops where the
 * source came to have it.
 */
export function rowsOfShard(rows: RowSet, route: TableRoute, shard: number): RowSet {
  if (route.kind === "omnisharded") return rows;
  if (route.kind === "fixed") return route.shard === shard ? rows : { ...rows, count: 0, offsets: new Int32Array(0) };
  const { buffer } = rows;
  const width = rows.relation.columns.length;
  const key = rows.relation.columns.findIndex((column) => column.name === route.column);
  const kept: Int32Array[] = [];
  for (let row = 0; row < rows.count; row++) {
    const offsets = rows.offsets.subarray(row * width, (row + 1) * width);
    const at = offsets[key]!;
    const length = buffer[at] === COLUMN_NULL ? -1 : buffer.readInt32BE(at + 1);
    const shardOf = buffer[at] === COLUMN_TEXT ? textKeyRouter(route.shardOf, route.dataType) : route.shardOf;
    if (shardOf(buffer, at + 5, length) === shard) kept.push(offsets);
  }
  const offsets = new Int32Array(kept.length * width);
  kept.forEach((row, place) => { offsets.set(row, place * width); });
  return { ...rows, count: kept.length, offsets };
}

import type pg from "pg";
import type { PublishedTable } from "../postgres/catalog.js";
import { CopyDataReader } from "../postgres/copy-data-reader.js";
import { RowPositions } from "../postgres/copy-row-positions.js";
import { TupleScanner } from "../postgres/copy-tuple-scanner.js";
import { qualifiedName, quoteIdentifier } from "../postgres/identifiers.js";
import type { TableRoute } from "../sharding/table-route.js";

const TAKE_BYTES = 256 * 1024;

/** How many rows of a table on this shard belong to another one: every key is read and routed again. */
export async function misplacedRows(client: pg.Client, table: PublishedTable, route: TableRoute, shard: number): Promise<number> {
  if (route.kind === "omnisharded") return 0;
  const only = table.partitioned ? "" : "ONLY ";
  if (route.kind === "fixed") {
    if (route.shard === shard) return 0;
    const { rows } = await client.query<{ count: number }>(`SELECT count(*)::float8 AS count FROM ${only}${qualifiedName(table)}`);
    return rows[0]!.count;
  }
  const scanner = new TupleScanner({ columns: 1, table: table.name });
  let misplaced = 0;
  const look = (): void => {
    const frames = reader.take();
    const rows = new RowPositions(frames.count);
    for (let frame = 0; frame < frames.count; frame++) scanner.scan(frames.buffer, frames.starts[frame]!, frames.ends[frame]!, rows);
    for (let row = 0; row < rows.count; row++) {
      const at = rows.starts[row]! + 2;
      if (route.shardOf(frames.buffer, at + 4, frames.buffer.readInt32BE(at)) !== shard) misplaced++;
    }
  };
  const reader = new CopyDataReader(client, `COPY (SELECT ${quoteIdentifier(route.column)} FROM ${only}${qualifiedName(table)}) TO STDOUT (FORMAT binary)`, () => {
    if (reader.bytes >= TAKE_BYTES) look();
  });
  await reader.done;
  look();
  scanner.finish();
  return misplaced;
}

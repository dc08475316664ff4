import type pg from "pg";
import { keyShards } from "../operators/key-shards.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { CopyDataReader } from "../postgres/copy-data-reader.js";
import { rowScanner } from "../postgres/copy-format.js";
import { RowPositions } from "../postgres/copy-row-positions.js";
import { qualifiedName, quoteIdentifier } from "../postgres/identifiers.js";
import type { ValueFormat } from "../postgres/value-format.js";
import type { TableRoute } from "../sharding/table-route.js";

const TAKE_BYTES = 256 * 1024;

/** How many rows of a table on this shard belong to another one: every key is read and routed again. */
export async function misplacedRows(client: pg.Client, table: PublishedTable, route: TableRoute, shard: number, format: ValueFormat): Promise<number> {
  if (route.kind === "omnisharded") return 0;
  const only = table.partitioned ? "" : "ONLY ";
  if (route.kind === "fixed") {
    if (route.shard === shard) return 0;
    const { rows } = await client.query<{ count: number }>(`SELECT count(*)::float8 AS count FROM ${only}${qualifiedName(table)}`);
    return rows[0]!.count;
  }
  const scanner = rowScanner(format, { columns: 1, table: table.name });
  const shardsOf = keyShards({ table, route, index: 0, format });
  let misplaced = 0;
  const look = (): void => {
    const frames = reader.take();
    const rows = new RowPositions(frames.count);
    for (let frame = 0; frame < frames.count; frame++) scanner.scan(frames.buffer, frames.starts[frame]!, frames.ends[frame]!, rows);
    for (const found of shardsOf({ buffer: frames.buffer, starts: rows.starts, ends: rows.ends, count: rows.count })) if (found !== shard) misplaced++;
  };
  const reader = new CopyDataReader(client, `COPY (SELECT ${quoteIdentifier(route.column)} FROM ${only}${qualifiedName(table)}) TO STDOUT (FORMAT ${format})`, () => {
    if (reader.bytes >= TAKE_BYTES) look();
  });
  await reader.done;
  look();
  scanner.finish();
  return misplaced;
}

import type pg from "pg";
import { readAddedColumns } from "../postgres/added-columns.js";
import { type PublishedTable, readPublishedColumns } from "../postgres/catalog.js";
import type { Migration } from "./migration.js";
import { columnsChanged } from "./schema-changed.js";
import type { SourceShard } from "./source-shard.js";

/**
 * Fails with SCHEMA_CHANGED where the snapshot shows a table with other columns than the run knows: what they hold would
 * come neither with the rows nor, since it is older than the snapshot, with the stream.
 *
 * @param client a session that is in the snapshot
 */
export async function checkCopiedColumns({ pipeline }: Migration, source: SourceShard, client: pg.Client, table: PublishedTable): Promise<void> {
  const found = await readPublishedColumns(client, pipeline.publication, table.oid);
  // A table that is gone or not published any more is told of by its COPY, or by the next run.
  if (found === undefined) return;
  const now = new Map(found.map((column) => [column.name, column]));
  const before = new Map(table.columns.map((column) => [column.name, column]));
  const added = found.filter(({ name }) => !before.has(name)).map(({ name }) => name);
  const dropped = table.columns.filter(({ name }) => !now.has(name)).map(({ name }) => name);
  const retyped = table.columns.flatMap(({ name, type }) => (now.has(name) && now.get(name)!.type !== type ? [{ name, from: type, to: now.get(name)!.type }] : []));
  if (added.length + dropped.length + retyped.length === 0) return;
  throw columnsChanged(table, { added, dropped, retyped }, await source.monitor((monitor) => readAddedColumns(monitor, table.oid, added)), {});
}

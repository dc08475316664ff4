import type pg from "pg";
import { readPublication } from "../postgres/catalog.js";
import { columnId, type ColumnName, readColumnExtremes } from "../postgres/column-extremes.js";
import { tableId } from "../postgres/identifiers.js";
import { narrowedBytes } from "../postgres/narrow-integer.js";
import { readSequenceColumns, readSequences } from "../postgres/sequences.js";
import { readTableColumns } from "../postgres/table-columns.js";
import type { NarrowColumn } from "../schema/grown-keys.js";
import { nextNumber, type SequenceMove } from "../schema/sequence-move.js";
import type { ShardsContext } from "./run-on-shards.js";

type Servers = Pick<ShardsContext, "pipeline" | "sessions" | "shards">;

/**
 * The columns that are int or smallint on the source and bigint on the shards, with what is in them and comes next. Only reads.
 * @param moves what is about to become of each shard's sequences, by `tableId`
 */
export async function narrowColumns({ pipeline, sessions, shards }: Servers, moves: readonly ReadonlyMap<string, SequenceMove>[] = []): Promise<NarrowColumn[]> {
  const addresses = pipeline.from.shards.map(({ primary }) => primary);
  const { tables, onSource } = await sessions.kept.use(addresses[0]!, "monitor", async (client) => ({ tables: (await readPublication(client, pipeline.publication)).tables, onSource: await readTableColumns(client) }));
  const found = new Map<string, ColumnName & { bytes: 2 | 4 }>();
  const ofShards = await Promise.all(shards.map((shard) => sessions.kept.use(shard, "journal", readTableColumns)));
  // A partition's values are among its root's, where the sequence is too.
  for (const root of new Map(tables.map((table) => [tableId(table.root), table.root])).values()) {
    for (const { name, typeOid } of onSource.get(tableId(root))?.values() ?? []) {
      const bytes = ofShards.map((columns) => narrowedBytes(columns.get(tableId(root))?.get(name)?.typeOid ?? 0, typeOid)).find((each) => each !== undefined);
      if (bytes !== undefined) found.set(columnId({ ...root, column: name }), { ...root, column: name, bytes });
    }
  }
  if (found.size === 0) return [];
  const columns = [...found.values()];
  const [extremes, sequences] = await Promise.all([
    Promise.all(shards.map((shard) => sessions.kept.use(shard, "journal", (client) => readColumnExtremes(client, columns)))),
    Promise.all([...addresses.map((address) => sessions.kept.use(address, "monitor", (client) => nextNumbers(client))), ...shards.map((shard, number) => sessions.kept.use(shard, "journal", (client) => nextNumbers(client, moves[number])))]),
  ]);
  return [...found].map(([id, column]) => {
    const values = extremes.map((ofShard) => ofShard.get(id));
    return { ...column, values: values.includes(undefined) ? undefined : values.flatMap((each) => each!), sequences: sequences.flatMap((ofServer) => ofServer.get(id) ?? []) };
  });
}

/** The sequences that columns draw from, by `columnId`. */
async function nextNumbers(client: pg.Client, moves?: ReadonlyMap<string, SequenceMove>): Promise<Map<string, NarrowColumn["sequences"][number][]>> {
  const next = new Map((await readSequences(client)).map((sequence) => {
    const [now, then] = [nextNumber(sequence), moves?.get(tableId(sequence))?.first];
    const behind = then !== undefined && (sequence.increment > 0n ? then > now : then < now);
    return [tableId(sequence), behind ? then : now];
  }));
  const found = new Map<string, NarrowColumn["sequences"][number][]>();
  for (const column of await readSequenceColumns(client)) {
    const number = next.get(tableId(column.sequence));
    if (number !== undefined) found.set(columnId(column), [...(found.get(columnId(column)) ?? []), { name: column.sequence, next: number }]);
  }
  return found;
}

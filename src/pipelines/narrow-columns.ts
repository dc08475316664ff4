import type pg from "pg";
import { ReshardError } from "../errors.js";
import { readPublication } from "../postgres/catalog.js";
import { columnId, type ColumnName, readColumnExtremes } from "../postgres/column-extremes.js";
import { tableId } from "../postgres/identifiers.js";
import { narrowedBytes } from "../postgres/narrow-integer.js";
import { readSequenceColumns, readSequences } from "../postgres/sequences.js";
import { readTableColumns } from "../postgres/table-columns.js";
import { grownKeys, type GrownKeys, type NarrowColumn } from "../schema/grown-keys.js";
import { reading } from "./reading.js";
import type { ShardsContext } from "./run-on-shards.js";

type Servers = Pick<ShardsContext, "pipeline" | "sessions" | "shards">;

/** Tells of keys that the source will soon be too small for. Fails with KEYS_TOO_LARGE where it is already; `ignoreErrors` makes that a note too. */
export async function checkGrownKeys(context: Servers & Pick<ShardsContext, "report">, ignoreErrors: boolean): Promise<void> {
  const { beyond, soon, unseen } = grownKeys(await narrowColumns(context));
  for (const message of grownKeyNotes({ beyond: ignoreErrors ? beyond : [], soon, unseen })) context.report({ type: "note", message });
  if (beyond.length === 0 || ignoreErrors) return;
  throw new ReshardError("KEYS_TOO_LARGE", `Keys of the shards do not fit into the source any more: ${several(beyond)}.`, {
    remedy: "Make these columns bigint on the source, with those that refer to them (ALTER TABLE … ALTER COLUMN … TYPE bigint). Without that there is no way back; --ignore-errors goes on all the same.",
  });
}

/** For people, one sentence each. */
export function grownKeyNotes({ beyond, soon, unseen }: GrownKeys): string[] {
  return [
    ...(beyond.length === 0 ? [] : [`These keys do not fit into the source any more, so that there is no way back: ${several(beyond)}.`]),
    ...(soon.length === 0 ? [] : [`These keys have used most of what fits into the source, and beyond it there is no way back: ${several(soon)}.`]),
    ...(unseen.length === 0 ? [] : [`Not looked at for how large they are, for no index leads to them: ${several(unseen)}.`]),
  ];
}

/** The columns that are int or smallint on the source and bigint on the shards, with what is in them and comes next. Only reads. */
export async function narrowColumns({ pipeline, sessions, shards }: Servers): Promise<NarrowColumn[]> {
  const addresses = pipeline.from.shards.map(({ primary }) => primary);
  const { tables, onSource } = await reading(sessions.source(addresses[0]!, "monitor"), async (client) => ({ tables: (await readPublication(client, pipeline.publication)).tables, onSource: await readTableColumns(client) }));
  const found = new Map<string, ColumnName & { bytes: 2 | 4 }>();
  const ofShards = await Promise.all(shards.map((shard) => reading(sessions.destination(shard, "schema"), readTableColumns)));
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
    Promise.all(shards.map((shard) => reading(sessions.destination(shard, "schema"), (client) => readColumnExtremes(client, columns)))),
    Promise.all([...addresses.map((address) => reading(sessions.source(address, "monitor"), nextNumbers)), ...shards.map((shard) => reading(sessions.destination(shard, "schema"), nextNumbers))]),
  ]);
  return [...found].map(([id, column]) => {
    const values = extremes.map((ofShard) => ofShard.get(id));
    return { ...column, values: values.includes(undefined) ? undefined : values.flatMap((each) => each!), sequences: sequences.flatMap((ofServer) => ofServer.get(id) ?? []) };
  });
}

/** The sequences that columns draw from, by `columnId`. */
async function nextNumbers(client: pg.Client): Promise<Map<string, NarrowColumn["sequences"][number][]>> {
  const next = new Map((await readSequences(client)).map((sequence) => [tableId(sequence), sequence.called ? sequence.lastValue + sequence.increment : sequence.lastValue]));
  const found = new Map<string, NarrowColumn["sequences"][number][]>();
  for (const column of await readSequenceColumns(client)) {
    const number = next.get(tableId(column.sequence));
    if (number !== undefined) found.set(columnId(column), [...(found.get(columnId(column)) ?? []), { name: column.sequence, next: number }]);
  }
  return found;
}

function several(phrases: readonly string[]): string {
  return `${phrases.slice(0, 10).join("; ")}${phrases.length > 10 ? ` and ${phrases.length - 10} more` : ""}`;
}

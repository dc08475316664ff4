import type pg from "pg";
import { z } from "zod";
import type { Database, FlowEnd, ServerAddress } from "../../config/types.js";
import { ReshardError } from "../../errors.js";
import type { Source } from "../../flow.js";
import { decodeTuples } from "../../operators/decode-tuples.js";
import { type PublishedTable, readTable } from "../../postgres/catalog.js";
import { displayAddress } from "../../postgres/connection.js";
import { displayName } from "../../postgres/identifiers.js";
import { type Lsn, parseLsn } from "../../postgres/lsn.js";
import type { ValueFormat } from "../../postgres/value-format.js";
import type { RowBatch } from "../../row-batch.js";
import { namesTable, routeOfTable } from "../../sharding/route-of-table.js";
import { copyOutStatement, copyTable } from "../../sources/copy-table.js";
import { oneAfterAnother } from "../../sources/one-after-another.js";
import { routedTable } from "../route-behind.js";
import { columnNames, shardNumber, tableOptions } from "./flow-options.js";
import type { FlowContext, RowsSource } from "./flow-parts.js";
import { tableNamed } from "./flow-table.js";

/** Options of a source of type "table": the rows of a table, as a snapshot shows them. */
export const tableSourceOptions = z.strictObject({
  ...tableOptions,
  columns: columnNames.optional(),
  where: z.string({ error: "an SQL condition over the table's columns" }).min(1, { error: "an SQL condition over the table's columns" }).optional(),
  shard: shardNumber.optional(),
});

/** @throws ReshardError TABLE_MISSING, FLOW_COLUMN_MISSING, SOURCE_RULE_MISSING, SHARD_MISSING */
export async function tableSource(entry: FlowEnd, options: z.infer<typeof tableSourceOptions>, { sessions }: FlowContext): Promise<RowsSource> {
  const database = entry.database!;
  const name = tableNamed(options.table, options.schema);
  const first = await sessions.kept.use(database.shards[options.shard ?? 0]?.primary ?? database.shards[0]!.primary, "monitor", (client) => readTable(client, name));
  if (first === undefined) {
    throw new ReshardError("TABLE_MISSING", `${displayAddress(database.shards[0]!.primary)} has no table ${displayName(name)}.`, { place: { ...entry.places["table"]!, table: displayName(name) }, remedy: 'Name it as "schema.table", as the catalog spells it.' });
  }
  const table: PublishedTable = { ...first, columns: chosenColumns(entry, first, options.columns), rowFilter: options.where };
  const servers = serversOf(entry, database, first, options.shard);
  return {
    kind: "rows",
    table,
    statement: copyOutStatement(table, "text"),
    version: `${database.name} ${copyOutStatement(table)}`,
    rows: (format) => oneAfterAnother(servers.map((server) => tableRows(server, table, format, sessions.applicationName("copy 0.0")))),
  };
}

function tableRows(server: ServerAddress, table: PublishedTable, format: ValueFormat, applicationName: string): Source<RowBatch, Lsn> {
  const source = copyTable({ server, applicationName, table, format, replication: false, openSnapshot: beginSnapshot });
  return (receipts$) => source(receipts$).pipe(decodeTuples({ columns: table.columns.length, table: displayName(table), format }));
}

/** No changes are to follow these rows: any snapshot will do, and it needs no slot. */
async function beginSnapshot(client: pg.Client): Promise<Lsn> {
  await client.query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ");
  const { rows } = await client.query<{ position: string }>("SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS position");
  return parseLsn(rows[0]!.position);
}

function chosenColumns(entry: FlowEnd, table: PublishedTable, names: readonly string[] | undefined): PublishedTable["columns"] {
  if (names === undefined) return table.columns;
  return names.map((name, index) => {
    const column = table.columns.find((candidate) => candidate.name === name);
    if (column !== undefined) return column;
    throw new ReshardError("FLOW_COLUMN_MISSING", `${displayName(table)} has no column "${name}" that can be copied.`, {
      place: entry.places[`columns.${index}`] ?? entry.place,
      remedy: `Name some of ${table.columns.map((column) => column.name).join(", ")}; generated columns are not copied.`,
    });
  });
}

/** The shards whose rows together are the table's: of a table that is the same on all, the first. */
function serversOf(entry: FlowEnd, { name, shards, sharding }: Database, table: PublishedTable, shard: number | undefined): readonly ServerAddress[] {
  if (shard !== undefined) {
    const found = shards[shard];
    if (found !== undefined) return [found.primary];
    throw new ReshardError("SHARD_MISSING", `${name} has no shard ${shard}.`, { place: entry.places["shard"] ?? entry.place, remedy: `Name one from 0 to ${shards.length - 1}.` });
  }
  if (shards.length === 1 || routeOfTable(routedTable(table), sharding, shards.length).kind !== "omnisharded") return shards.map(({ primary }) => primary);
  if (sharding.omnisharded.some((listed) => namesTable(listed, table.root))) return [shards[0]!.primary];
  throw new ReshardError("SOURCE_RULE_MISSING", `No rule says how ${name}, which has ${shards.length} shards, holds ${displayName(table)}.`, {
    place: entry.place,
    remedy: `Add its [[sharded_tables]] entry; where it is the same on all shards list it in [[omnisharded_tables]]; or name the one shard to read (shard = 0).`,
  });
}

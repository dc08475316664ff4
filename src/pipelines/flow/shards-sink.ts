import { pipe } from "rxjs";
import { z } from "zod";
import type { Database, FlowEnd, ServerAddress } from "../../config/types.js";
import { ReshardError } from "../../errors.js";
import type { Sink } from "../../flow.js";
import { partitionRows, rowPart } from "../../operators/partition-rows.js";
import { rewriteUpserts } from "../../operators/rewrite-upserts.js";
import { rowsOfShard } from "../../operators/rows-of-shard.js";
import { changesOfShard, shardChanges } from "../../operators/shard-changes.js";
import { shardRows } from "../../operators/shard-rows.js";
import { skipApplied } from "../../operators/skip-applied.js";
import { type PublishedTable, readTable } from "../../postgres/catalog.js";
import { displayAddress } from "../../postgres/connection.js";
import { displayName, qualifiedName, tableId } from "../../postgres/identifiers.js";
import { type Lsn, minLsn } from "../../postgres/lsn.js";
import type { PgoutputRelation } from "../../postgres/pgoutput-message.js";
import { createProgressTables } from "../../progress/progress-tables.js";
import { readStreamProgress, writeStreamProgress } from "../../progress/stream-progress.js";
import { forgetTableProgress, type ProgressKey, readTableProgress } from "../../progress/table-progress.js";
import type { TableRoute } from "../../sharding/table-route.js";
import { applyToShard } from "../../sinks/apply-to-shard.js";
import { copyIntoShard } from "../../sinks/copy-into-shard.js";
import { toShards } from "../../sinks/to-shards.js";
import { completeRows } from "../../sources/source-rows.js";
import { routeBehind } from "../route-behind.js";
import { copyFormatOf } from "../value-formats.js";
import type { ChangesToCome, FlowContext, FlowSink, RowsToCome } from "./flow-parts.js";

/** Options of a sink of type "shards": a database's tables, by its sharding rules. */
export const shardsSinkOptions = z.strictObject({});

/**
 * Brings each shard its rows in one transaction, and its changes in transactions, with a note of how far it is: a flow that
 * was interrupted goes on, and nothing is there twice.
 *
 * @param flow names the flow among those that write to these shards
 */
export function shardsSink({ database }: FlowEnd, context: FlowContext, flow: string): FlowSink {
  const shards = database!.shards.map(({ primary }) => primary);
  return {
    wantsText: false,
    repeatable: true,
    toStdout: false,
    async rows(rows) {
      const target = await targetOf(rows.table, shards, context);
      const route = routeBehind(target, rows.chain, database!.sharding, shards.length);
      return { format: rowFormat(rows.table, target, context), attempt: (format) => copyAttempt({ rows, target, route, format, shards, progress: { migration: `flow ${flow} ${rows.version}`, sourceShard: 0 } }, context), close: () => Promise.resolve() };
    },
    async changes(changes) {
      for (const shard of shards) await context.sessions.kept.use(shard, "journal", createProgressTables);
      const progress = { migration: `flow ${flow}`, sourceShard: changes.source.sourceShard };
      const applied = (): Promise<Lsn[]> => Promise.all(shards.map((shard) => appliedOn(shard, progress, context)));
      return {
        hasBegun: async () => (await applied()).some((position) => position > 0n),
        async attempt() {
          const positions = await applied();
          return { position: positions.reduce(minLsn), sink: changesInto(changes, positions, { database: database!, shards, progress }, context) };
        },
        close: () => Promise.resolve(),
      };
    },
  };
}

/** The table on the shards, which has to have the columns. */
async function targetOf(table: PublishedTable, shards: readonly ServerAddress[], { sessions }: FlowContext): Promise<PublishedTable> {
  const found = await Promise.all(shards.map(async (shard) => {
    const target = await sessions.kept.use(shard, "journal", (client) => readTable(client, table));
    const place = { table: displayName(table), server: displayAddress(shard) };
    if (target === undefined) throw new ReshardError("TABLE_MISSING", `${place.server} has no table ${place.table}.`, { place, remedy: "Make it there; a flow brings rows only." });
    const missing = table.columns.filter(({ name }) => !target.columns.some((column) => column.name === name));
    if (missing.length > 0) throw new ReshardError("FLOW_COLUMN_MISSING", `${place.table} on ${place.server} has no column ${missing.map(({ name }) => `"${name}"`).join(", ")} that can be written.`, { place, remedy: "Add it there, or leave it out of the source's columns." });
    return target;
  }));
  return found[0]!;
}

/** Another type reads the other's text, if anything. */
function rowFormat(table: PublishedTable, target: PublishedTable, { general }: FlowContext): "binary" | "text" {
  const alike = table.columns.every(({ name, typeName }) => target.columns.some((column) => column.name === name && column.typeName === typeName));
  return alike ? copyFormatOf(table, { general }) : "text";
}

interface CopyAttempt {
  readonly rows: RowsToCome;
  readonly target: PublishedTable;
  readonly route: TableRoute;
  readonly format: "binary" | "text";
  readonly shards: readonly ServerAddress[];
  readonly progress: ProgressKey;
}

/** Into the shards that do not have the rows yet. */
async function copyAttempt({ rows: { table }, target, route, format, shards, progress }: CopyAttempt, { sessions, report }: FlowContext): ReturnType<Awaited<ReturnType<FlowSink["rows"]>>["attempt"]> {
  const purpose = `copy 0.${target.oid}` as const;
  const missing = await Promise.all(shards.map((shard) => sessions.kept.use(shard, "journal", async (client) => {
    await sessions.fence(client, purpose);
    await createProgressTables(client);
    const copied = (await readTableProgress(client, progress)).get(tableId(table));
    if (copied === undefined) return true;
    if (copied.rows === 0) return false;
    const { rows } = await client.query<{ filled: boolean }>(`SELECT EXISTS (SELECT FROM ${target.partitioned ? "" : "ONLY "}${qualifiedName(target)}) AS filled`);
    // Somebody has emptied it: the rows are wanted again.
    if (!rows[0]!.filled) await forgetTableProgress(client, progress, table);
    return !rows[0]!.filled;
  })));
  if (!missing.includes(true)) {
    report({ type: "note", message: `${displayName(table)}: this flow has brought the same rows before, and they are there. Empty the table to have them brought again.` });
    return undefined;
  }
  const into = { schema: table.schema, name: table.name, columns: table.columns, partitioned: target.partitioned };
  const sinks = shards.map((shard, index) => (missing[index] === true ? copyIntoShard({ open: () => sessions.writer(shard, purpose), table: into, format, progress, exclusive: true }) : undefined));
  return pipe(shardRows({ table, route, format }), partitionRows(shards.length), toShards(rowPart, sinks));
}

/** How far a shard is, such that no former session can change it any more, nor a crash take it back. */
async function appliedOn(shard: ServerAddress, progress: ProgressKey, { sessions }: FlowContext): Promise<Lsn> {
  return await sessions.kept.use(shard, "journal", async (client) => {
    await sessions.fence(client, `apply ${progress.sourceShard}`);
    const applied = await readStreamProgress(client, progress);
    // Its COMMIT may not have waited for the disk; this one does.
    if (applied > 0n) await writeStreamProgress(client, progress, applied);
    return applied;
  });
}

interface ChangesTarget {
  readonly database: Database;
  readonly shards: readonly ServerAddress[];
  readonly progress: ProgressKey;
}

function changesInto({ relations, format, lookup }: ChangesToCome, positions: readonly Lsn[], { database, shards, progress }: ChangesTarget, { sessions }: FlowContext): Awaited<ReturnType<Awaited<ReturnType<FlowSink["changes"]>>["attempt"]>>["sink"] {
  const routes = new Map<PgoutputRelation, TableRoute>();
  const routeOf = (relation: PgoutputRelation): TableRoute => {
    let route = routes.get(relation);
    if (route === undefined) {
      const { table, chain } = relations.behind(relation);
      route = routeBehind(table, chain, database.sharding, shards.length);
      routes.set(relation, route);
    }
    return route;
  };
  const keyOf = (relation: PgoutputRelation): readonly string[] => relations.behind(relation).table.key;
  const sinks = shards.map((shard, index): Sink<ReturnType<typeof changesOfShard>, Lsn> =>
    pipe(
      skipApplied({ applied: positions[index]!, snapshotOf: () => 0n }),
      rewriteUpserts(keyOf),
      applyToShard({
        open: () => sessions.writer(shard, `apply ${progress.sourceShard}`, { pipeline: true }),
        progress,
        keyOf,
        format,
        completeFromSource: async (rows, places) => {
          const { relation, chain, published } = relations.behind(rows.relation);
          // Behind operators rows come whole; one that does not is gone from the source, as the stream will tell.
          if (chain !== undefined) return { ...rows, count: 0, offsets: new Int32Array(0) };
          const isText = relations.textColumns(relation, format);
          return rowsOfShard(await lookup.use((client) => completeRows(client, rows, places, { ...published, isText })), routeOf(rows.relation), index);
        },
        untilSeen: (transactions) => lookup.untilSeen(transactions),
      }),
    ));
  return pipe(shardChanges(routeOf), toShards(changesOfShard, sinks));
}

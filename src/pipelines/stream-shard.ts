import { pipe, tap } from "rxjs";
import type pg from "pg";
import type { ChangeBatch, ShardedChangeBatch } from "../change-batch.js";
import { run, type Sink } from "../flow.js";
import { operateChanges } from "../operators/operate-changes.js";
import { rewriteUpserts } from "../operators/rewrite-upserts.js";
import { rowsOfShard } from "../operators/rows-of-shard.js";
import { changesOfShard, shardChanges } from "../operators/shard-changes.js";
import { skipApplied } from "../operators/skip-applied.js";
import { tableId } from "../postgres/identifiers.js";
import type { Lsn } from "../postgres/lsn.js";
import type { PgoutputRelation } from "../postgres/pgoutput-message.js";
import { applyToShard } from "../sinks/apply-to-shard.js";
import { toShards } from "../sinks/to-shards.js";
import { changeStream } from "../sources/change-stream.js";
import { completeChanges } from "../sources/complete-changes.js";
import { type CompletedTable, completeRows } from "../sources/source-rows.js";
import { Lookup } from "./lookup.js";
import type { Migration } from "./migration.js";
import { type OperatedRelation, OperatedRelations } from "./operated-relations.js";
import type { ReplicateUntil } from "./replicate-until.js";
import { SchemaGate } from "./schema-gate.js";
import { shardState } from "./shard-state.js";
import { joinSnapshot } from "./snapshot.js";
import type { SourceShard } from "./source-shard.js";
import { relationAfter } from "./table-after.js";
import { shapeOfRelation } from "./table-shapes.js";
import { untilDone } from "./until-done.js";
import { streamFormatOf } from "./value-formats.js";
import { Whereabouts } from "./whereabouts.js";

export interface StreamListener {
  /** Told how far all shards are, and how many changes came through. */
  readonly onDurable: (durable: Lsn, changes: number) => void;
  readonly onBatch: (batch: ChangeBatch) => void;
}

/**
 * One connection's worth of streaming from a source shard: opens everything, and completes when told to stop or where
 * `until` ends.
 */
export async function streamShard(migration: Migration, source: SourceShard, until: ReplicateUntil, stop: AbortSignal, { onDurable, onBatch }: StreamListener): Promise<void> {
  const { sessions, shards } = migration;
  const snapshot = until.kind === "snapshots" ? until.snapshots[source.number] : undefined;
  await source.monitor((client) => sessions.fence(client, "stream", "lookup"));
  // One after the other, in the same sessions.
  const gate = await SchemaGate.open(migration, source);
  const states = await Promise.all(shards.map((shard) => shardState(migration, source, shard)));
  const lookup = new Lookup(() => openLookup(migration, source, snapshot?.name));
  const whereabouts = new Whereabouts(migration, source);
  const isTaken = (relation: PgoutputRelation): boolean => source.takes(relation) && !gate.leavesOut(relation);
  const relations = new OperatedRelations((relation): OperatedRelation => {
    const chain = isTaken(relation) ? migration.chainOf(shapeOfRelation(relation, source.published(relation))) : undefined;
    return { relation, chain, after: chain === undefined ? relation : relationAfter(relation, chain) };
  });
  // What the sinks are asked about is named as the shards have it.
  const sent = (after: PgoutputRelation): PgoutputRelation => relations.behind(after).relation;
  const keyOf = (after: PgoutputRelation): readonly string[] => namesAfter(relations.behind(after), source.published(sent(after)).key);
  const format = streamFormatOf(migration.tables, migration.pipeline);
  const isText = (relation: PgoutputRelation): ((column: string) => boolean) => {
    const texts = new Set(source.published(relation).columns.filter((column) => !column.sendsBinary).map((column) => column.name));
    return (column) => format === "text" || texts.has(column);
  };
  const lookedUp = (relation: PgoutputRelation): CompletedTable => ({ ...source.published(relation), isText: isText(relation), gone: gate.forgotten(relation) });
  let changes = 0;
  const sinks = shards.map((shard, index): Sink<ReturnType<typeof changesOfShard>, Lsn> => {
    const { applied, tables } = states[index]!;
    const sink = applyToShard({
      open: () => sessions.writer(shard, `apply ${source.number}`, { pipeline: true }),
      progress: source.progress,
      keyOf,
      format,
      completeFromSource: async (rows, places) => {
        // Behind operators rows come whole; one that does not is gone from the source, as the stream will tell.
        if (relations.behind(rows.relation).chain !== undefined) return { ...rows, count: 0, offsets: new Int32Array(0) };
        const completed = await lookup.use((client) => completeRows(client, rows, places, lookedUp(rows.relation)));
        return rowsOfShard(completed, migration.route(rows.relation), index);
      },
      untilSeen: (transactions) => whereabouts.untilSeen(transactions),
      changesOf(after) {
        const operated = relations.behind(after);
        const { relation } = operated;
        return { forgotten: new Set(namesAfter(operated, gate.forgotten(relation))), former: new Set(namesAfter(operated, gate.former(relation))) };
      },
      ownershipOf: (after) => whereabouts.ownershipOf(sent(after)),
    });
    return pipe(
      skipApplied({ applied, snapshotOf: (after) => tables.get(tableId(sent(after)))?.snapshot ?? 0n }),
      rewriteUpserts(keyOf),
      sink,
    );
  });
  const changes$ = changeStream({
    server: source.address,
    applicationName: sessions.applicationName("stream"),
    slot: source.slot,
    publication: migration.pipeline.publication,
    serverVersion: source.version,
    format,
    stop,
    ...(snapshot === undefined ? {} : { stopAt: snapshot.position }),
  });
  const counted = pipe(
    gate.operator(),
    migration.paced<ChangeBatch>(),
    completeChanges({
      concerns: (relation) => relations.of(relation).chain !== undefined,
      complete: (row) => lookup.use((client) => completeRows(client, row, [0], lookedUp(row.relation))),
      untilSeen: (transactions) => whereabouts.untilSeen(transactions),
    }),
    operateChanges({ chainOf: (relation) => relations.of(relation).chain, relationAfter: (relation) => relations.of(relation).after, format }),
    shardChanges((after) => (isTaken(sent(after)) ? migration.route(sent(after)) : undefined)),
    tap((batch: ShardedChangeBatch) => {
      changes += batch.count;
      onBatch(batch);
    }),
  );
  try {
    // Stopping is the source's: it completes once what is on the way has arrived.
    await untilDone(run(changes$, counted, toShards(changesOfShard, sinks)), new AbortController().signal, (receipt) => {
      gate.taken(receipt.taken);
      if (receipt.durable !== undefined) onDurable(receipt.durable, changes);
    });
  } finally {
    await Promise.all([lookup.close(), whereabouts.close()]);
  }
}

/** What columns of the source are called behind the operators. */
function namesAfter({ relation, after }: OperatedRelation, names: Iterable<string>): string[] {
  return [...names].map((name) => after.columns[relation.columns.findIndex((column) => column.name === name)]?.name ?? name);
}

async function openLookup({ sessions }: Migration, source: SourceShard, snapshot: string | undefined): Promise<pg.Client> {
  const client = await sessions.source(source.address, "lookup");
  if (snapshot !== undefined) await joinSnapshot(client, snapshot);
  return client;
}

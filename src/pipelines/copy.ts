import { setMaxListeners } from "node:events";
import { from, identity, lastValueFrom, mergeMap, pipe, tap } from "rxjs";
import { ReshardError } from "../errors.js";
import { run } from "../flow.js";
import { decodeTuples } from "../operators/decode-tuples.js";
import { operateRows } from "../operators/operate-rows.js";
import { partitionRows, rowPart } from "../operators/partition-rows.js";
import { shardRows } from "../operators/shard-rows.js";
import { widenIntegers } from "../operators/widen-integers.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayAddress } from "../postgres/connection.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import { sqlState } from "../postgres/server-errors.js";
import { noteKnownColumns } from "../progress/known-columns.js";
import { readTableProgress, type TableProgress } from "../progress/table-progress.js";
import type { RowBatch } from "../row-batch.js";
import { applyKeys, keyUnitOf } from "../schema/apply-keys.js";
import { phaseStatements, type SchemaPlan } from "../schema/schema-plan.js";
import { uniqueKeysOf } from "../schema/unique-columns.js";
import { copyIntoShard } from "../sinks/copy-into-shard.js";
import { toShards } from "../sinks/to-shards.js";
import { copyOutStatement, copyTable } from "../sources/copy-table.js";
import { openSnapshot } from "../sources/open-snapshot.js";
import { allSettled } from "./all-settled.js";
import { checkCopiedColumns } from "./check-copied-columns.js";
import { checkTargetColumns } from "./check-target-columns.js";
import { type CopyServer, CopyServers } from "./copy-server.js";
import { CopySessions } from "./copy-sessions.js";
import { checkStopped } from "./interrupted.js";
import type { PlannedCopy } from "./events.js";
import type { Migration } from "./migration.js";
import { ensureSlot } from "./slot.js";
import { putKeysAside } from "./put-keys-aside.js";
import { standbySnapshot } from "./standby-snapshot.js";
import { untilDone } from "./until-done.js";
import { untilSnapshotSeen } from "./until-seen.js";
import { removeDuplicates } from "./remove-duplicates.js";
import { SchemaReporter } from "./schema-reporter.js";
import type { SourceShard } from "./source-shard.js";
import { tableAfter } from "./table-after.js";
import { shapeOf } from "./table-shapes.js";
import { copyFormatOf } from "./value-formats.js";
import { patienceOf, withRetries } from "./with-retries.js";

export interface CopyOptions {
  /** Build each table's primary key right after its rows, out of the source's schema. */
  readonly buildKeys: boolean;
  /** Tables that are to be copied; all where absent. */
  readonly isWanted?: (table: PublishedTable) => boolean;
}

const UNIQUE_VIOLATION = "23505";

/** One source shard's rows of one table. */
interface Piece {
  readonly source: SourceShard;
  readonly table: PublishedTable;
  /** Columns to widen in flight. */
  readonly widened: ReadonlySet<string>;
}

/**
 * Copies every published table from every source shard into the shards that do not have it yet, several at a time from
 * each server that is read, the largest first. The slots that keep the changes made meanwhile are made before the first.
 */
export async function copyTables(migration: Migration, options: CopyOptions): Promise<void> {
  const { pipeline, report, sources } = migration;
  const isWanted = options.isWanted ?? ((): boolean => true);
  const done = await Promise.all(sources.map((source) => readShardProgress(migration, source)));
  for (const source of sources) await ensureSlot(migration, source, done[source.number]!.some((shard) => shard.size > 0));
  const unfinished = migration.tables.filter((table) => isWanted(table) && sources.some((source) => source.takes(table) && done[source.number]!.some((shard) => !shard.has(tableId(table)))));
  const widened = await checkTargetColumns(migration, unfinished);
  const untouched = unfinished.filter((table) => !done.flat().some((shard) => shard.has(tableId(table))));
  await migration.journal((client) => noteKnownColumns(client, migration.id, untouched, true));
  const isShared = (table: PublishedTable): boolean => sources.filter((source) => source.takes(table)).length > 1;
  const aside = unfinished.filter(isShared);
  if (aside.length > 0) await putKeysAside(migration, await migration.schemaPlan(), aside);
  // A run that was killed may have left tables whose rows are all there without them.
  const keys = options.buildKeys || migration.tables.some((table) => isWanted(table) && isShared(table)) ? await openKeys(migration) : undefined;
  const pieces = sources.flatMap((source) => source.tables.filter(isWanted).map((table): Piece => ({ source, table, widened: widened.get(tableId(table)) ?? new Set() }))).sort((a, b) => b.table.bytes - a.table.bytes);
  report({ type: "copy-started", tables: pieces.length, rows: total(pieces, ({ table }) => Math.max(0, table.estimatedRows)), bytes: total(pieces, ({ table }) => table.bytes), planned: pieces.map((piece) => planned(migration, piece)) });
  // Each table copied at a time needs a slot for its snapshot.
  const wanted = pipeline.general.reshardingParallelCopies;
  for (const { address, freeSlots } of sources.flatMap(({ copyServers }) => copyServers)) {
    if (freeSlots >= wanted) continue;
    report({ type: "note", message: `Only ${Math.max(1, freeSlots)} tables are copied at a time: ${displayAddress(address)} has no more free slots or senders (max_replication_slots, max_wal_senders).` });
  }
  const copySessions = new CopySessions(migration.sessions);
  // One failure stops the others, and is thrown once they have: none may go on behind the run's back.
  const failure = new AbortController();
  const stoppable = { ...migration, signal: AbortSignal.any([migration.signal, failure.signal]) };
  // Every table under way listens; Node would take so many for a leak.
  setMaxListeners(0, stoppable.signal);
  const left = new Map<string, number>();
  for (const { table } of pieces) left.set(tableId(table), (left.get(tableId(table)) ?? 0) + 1);
  const copyOrStop = async (piece: Piece, servers: CopyServers): Promise<void> => {
    if (failure.signal.aborted) return;
    try {
      await copyPiece(stoppable, piece, { servers, copySessions }, done[piece.source.number]!);
      const id = tableId(piece.table);
      left.set(id, left.get(id)! - 1);
      if (keys !== undefined && left.get(id) === 0) await buildKeys(stoppable, piece.table, keys);
    } catch (error) {
      failure.abort(error);
    }
  };
  try {
    await Promise.all(
      sources.map(async (source) => {
        const servers = new CopyServers(source.copyServers, wanted);
        const own = pieces.filter((piece) => piece.source === source);
        await lastValueFrom(from(own).pipe(mergeMap((piece) => copyOrStop(piece, servers), servers.capacity)), { defaultValue: undefined });
      }),
    );
  } finally {
    await Promise.all([keys?.reporter.close(), copySessions.close()]);
  }
  failure.signal.throwIfAborted();
}

function total(pieces: readonly Piece[], of: (piece: Piece) => number): number {
  return pieces.reduce((sum, piece) => sum + of(piece), 0);
}

/** What each shard has of a source shard's tables. */
async function readShardProgress(migration: Migration, source: SourceShard): Promise<Map<string, TableProgress>[]> {
  return await Promise.all(
    migration.shards.map((shard) => migration.sessions.kept.use(shard, "journal", (client) => readTableProgress(client, source.progress))),
  );
}

/** What a table is copied from and by. */
interface CopyMeans {
  readonly servers: CopyServers;
  readonly copySessions: CopySessions;
}

async function copyPiece(migration: Migration, piece: Piece, { servers, copySessions }: CopyMeans, done: readonly ReadonlyMap<string, TableProgress>[]): Promise<void> {
  const { report } = migration;
  const { table } = piece;
  const id = tableId(table);
  const started = Date.now();
  const copied = done.map((shard) => shard.get(id));
  const resumed = copied.some((progress) => progress !== undefined);
  const onEach = copied.map((progress) => progress?.rows ?? 0);
  let rows = migration.route(table).kind === "omnisharded" ? Math.max(...onEach) : onEach.reduce((sum, count) => sum + count, 0);
  let bytes = 0;
  let standby: string | undefined;
  if (copied.some((progress) => progress === undefined)) {
    let known: readonly boolean[] | undefined = copied.map((progress) => progress === undefined);
    await withRetries({ ...patienceOf(migration), what: `copy of ${displayName(table)}` }, async () => {
      checkStopped(migration.signal);
      await migration.lock.ensure();
      const missing = known ?? (await shardsLacking(migration, piece));
      known = undefined;
      ({ rows, bytes } = await servers.use((server) => {
        standby = server.isStandby ? displayAddress(server.address) : undefined;
        return copyMissing(migration, piece, { server, copySessions }, missing);
      }));
    });
  }
  report({ type: "table-copied", ...named(migration, piece), rows, bytes, milliseconds: Date.now() - started, resumed, ...(standby === undefined ? {} : { standby }) });
}

/** As events name it. */
function named(migration: Migration, { source, table }: Piece): { readonly table: string; readonly sourceShard?: number } {
  return { table: displayName(table), ...(migration.sources.length === 1 ? {} : { sourceShard: source.number }) };
}

function planned(migration: Migration, piece: Piece): PlannedCopy {
  const { schema, name, estimatedRows } = piece.table;
  return { ...named(migration, piece), schema, name, estimatedRows: Math.max(0, estimatedRows), sql: copyOutStatement(piece.table, copyFormatOf(piece.table, migration.pipeline)) };
}

/** What builds keys, and who tells of it. */
interface Keys {
  readonly plan: SchemaPlan;
  readonly reporter: SchemaReporter;
}

async function openKeys(migration: Migration): Promise<Keys> {
  const plan = await migration.schemaPlan();
  const { shards, report, sessions } = migration;
  const reporter = new SchemaReporter({ phase: "key", shards, report, sessions });
  for (const shard of shards.keys()) reporter.planned(shard, phaseStatements(plan, "key"));
  return { plan, reporter };
}

/** A table's keys on every shard, once all its rows are there. */
async function buildKeys(migration: Migration, table: PublishedTable, { plan, reporter }: Keys): Promise<void> {
  const started = Date.now();
  await withRetries({ ...patienceOf(migration), what: `keys of ${displayName(table)}` }, async () => {
    checkStopped(migration.signal);
    await migration.lock.ensure();
    await allSettled(
      migration.shards.map((shard) => migration.sessions.kept.use(shard, "schema", async (client) => {
        await applyKeys(plan, table, client, { shard, onStatement: reporter.onStatement }).catch(async (error: unknown) => {
          if (migration.sources.length === 1 || !(error instanceof ReshardError) || sqlState(error.cause) !== UNIQUE_VIOLATION) throw error;
          await removeDuplicates(migration, table, client, uniqueKeysOf(keyUnitOf(plan, table).statements, table));
          await applyKeys(plan, table, client, { shard, onStatement: reporter.onStatement });
        });
      })),
    );
  });
  migration.report({ type: "table-key-built", table: displayName(table), milliseconds: Date.now() - started });
}

/** Which shards lack the table by now: an attempt that failed may have committed on some, and may still be writing. */
async function shardsLacking({ shards, sessions }: Migration, { source, table }: Piece): Promise<readonly boolean[]> {
  return await Promise.all(
    shards.map((shard) => sessions.kept.use(shard, "journal", async (client) => {
      await sessions.fence(client, `copy ${source.number}.${table.oid}`);
      return (await readTableProgress(client, source.progress)).get(tableId(table)) === undefined;
    })),
  );
}

/** One attempt at the shards that lack the table. */
async function copyMissing(migration: Migration, piece: Piece, { server, copySessions }: Pick<CopyMeans, "copySessions"> & { readonly server: CopyServer }, missing: readonly boolean[]): Promise<{ rows: number; bytes: number }> {
  const { report, shards, signal } = migration;
  const { source, table, widened } = piece;
  const purpose = `copy ${source.number}.${table.oid}` as const;
  let rows = 0;
  let bytes = 0;
  const format = copyFormatOf(table, migration.pipeline);
  const rows$ = copyTable({
    open: () => copySessions.openReader(server.address, purpose),
    keep: (client) => copySessions.keepReader(client, server.address),
    table,
    format,
    async openSnapshot(client) {
      const snapshot = await (server.isStandby ? standbySnapshot(migration, source, server, client) : openSnapshot(client));
      await checkCopiedColumns(migration, source, client, table);
      // Streams of other source shards will look up what is copied.
      if (migration.sources.length > 1) await untilSnapshotSeen(source, client);
      return snapshot;
    },
  });
  const chain = migration.chainOf(shapeOf(table));
  const after = tableAfter(table, chain);
  const operators = pipe(
    decodeTuples({ columns: table.columns.length, table: displayName(table), format }),
    tap((batch: RowBatch) => {
      rows += batch.count;
      // The five bytes of each message between the rows are not theirs.
      if (batch.count > 0) bytes += batch.ends[batch.count - 1]! - batch.starts[0]! - 5 * (batch.count - 1);
      report({ type: "table-progress", ...named(migration, piece), rows, bytes, estimatedRows: table.estimatedRows });
    }),
    migration.paced<RowBatch>(),
    chain === undefined ? identity : operateRows(chain, format),
    // Text is read by whatever type the column has.
    format === "text" ? identity : widenIntegers({ table: after, columns: widened }),
    shardRows({ table: after, route: migration.route(table), format }),
    partitionRows(shards.length),
  );
  const exclusive = migration.sources.filter((other) => other.takes(table)).length === 1;
  const sinks = shards.map((shard, index) =>
    missing[index] === true
      ? copyIntoShard({ open: () => copySessions.openWriter(shard, purpose), keep: (client) => { copySessions.keepWriter(client, shard); }, table: after, source: table, format, progress: source.progress, exclusive })
      : undefined,
  );
  if (missing.includes(true)) await untilDone(run(rows$, operators, toShards(rowPart, sinks)), signal);
  return { rows, bytes };
}

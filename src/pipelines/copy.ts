import { from, lastValueFrom, mergeMap, pipe, tap } from "rxjs";
import { run } from "../flow.js";
import { decodeTuples } from "../operators/decode-tuples.js";
import { partitionRows, rowPart } from "../operators/partition-rows.js";
import { shardRows } from "../operators/shard-rows.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { endQuietly } from "../postgres/connection.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import { readTableProgress, type TableProgress } from "../progress/table-progress.js";
import type { RowBatch } from "../row-batch.js";
import { applyKeys } from "../schema/apply-keys.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import { copyIntoShard } from "../sinks/copy-into-shard.js";
import { toShards } from "../sinks/to-shards.js";
import { copyTable } from "../sources/copy-table.js";
import { checkTargetColumns } from "./check-target-columns.js";
import { allSettled } from "./all-settled.js";
import { checkStopped } from "./interrupted.js";
import type { Migration } from "./migration.js";
import { ensureSlot } from "./slot.js";
import { untilDone } from "./until-done.js";
import { withRetries } from "./with-retries.js";

export interface CopyOptions {
  /** Build each table's primary key right after its rows, out of the source's schema. */
  readonly buildKeys: boolean;
}

/**
 * Copies every published table into the shards that do not have it yet, several at a time, the largest first. The slot
 * that keeps the changes made meanwhile is made before the first.
 */
export async function copyTables(migration: Migration, options: CopyOptions): Promise<void> {
  const { pipeline, report, facts, shards } = migration;
  const done = await readShardProgress(migration);
  await ensureSlot(migration, done.some((shard) => shard.size > 0));
  await Promise.all(shards.map((shard) => checkTargetColumns(migration, shard)));
  const plan = options.buildKeys ? await migration.schemaPlan() : undefined;
  const tables = [...facts.publication.tables].sort((a, b) => b.bytes - a.bytes);
  report({ type: "copy-started", tables: tables.length, rows: tables.reduce((sum, table) => sum + Math.max(0, table.estimatedRows), 0), bytes: tables.reduce((sum, table) => sum + table.bytes, 0) });
  // Each table copied at a time needs a slot for its snapshot, beside the permanent one.
  const free = facts.freeSlots - 1;
  const parallel = Math.max(1, Math.min(pipeline.general.reshardingParallelCopies, free));
  if (parallel < pipeline.general.reshardingParallelCopies) {
    report({ type: "note", message: `Only ${parallel} tables are copied at a time: the source has no more free slots or senders (max_replication_slots, max_wal_senders).` });
  }
  // One failure stops the others, and is thrown once they have: none may go on behind the run's back.
  const failure = new AbortController();
  const stoppable = { ...migration, signal: AbortSignal.any([migration.signal, failure.signal]) };
  const copyOrStop = async (table: PublishedTable): Promise<void> => {
    if (failure.signal.aborted) return;
    await copyOne(stoppable, table, done, plan).catch((error: unknown) => { failure.abort(error); });
  };
  await lastValueFrom(from(tables).pipe(mergeMap(copyOrStop, parallel)), { defaultValue: undefined });
  failure.signal.throwIfAborted();
}

/** What each shard has of the source shard's tables. */
async function readShardProgress(migration: Migration): Promise<Map<string, TableProgress>[]> {
  return await Promise.all(
    migration.shards.map(async (shard) => {
      const client = await migration.sessions.destination(shard, "journal");
      try {
        return await readTableProgress(client, migration.progress);
      } finally {
        await client.end();
      }
    }),
  );
}

async function copyOne(migration: Migration, table: PublishedTable, done: readonly ReadonlyMap<string, TableProgress>[], plan: SchemaPlan | undefined): Promise<void> {
  const { pipeline, report, shards, sessions } = migration;
  const name = displayName(table);
  const id = tableId(table);
  const started = Date.now();
  const copied = done.map((shard) => shard.get(id));
  const resumed = copied.some((progress) => progress !== undefined);
  const onEach = copied.map((progress) => progress?.rows ?? 0);
  let rows = migration.route(table).kind === "omnisharded" ? Math.max(...onEach) : onEach.reduce((sum, count) => sum + count, 0);
  let bytes = 0;
  const patience = {
    maxAttempts: pipeline.general.reshardingCopyRetryMaxAttempts,
    minDelay: pipeline.general.reshardingCopyRetryMinDelay,
    exponential: true,
    signal: migration.signal,
    report,
  };
  if (copied.some((progress) => progress === undefined)) {
    await withRetries({ ...patience, what: `copy of ${name}` }, async () => {
      checkStopped(migration.signal);
      await migration.lock.ensure();
      ({ rows, bytes } = await copyMissing(migration, table));
    });
  }
  report({ type: "table-copied", table: name, rows, bytes, milliseconds: Date.now() - started, resumed });
  if (plan === undefined) return;
  const keyStarted = Date.now();
  await withRetries({ ...patience, what: `keys of ${name}` }, async () => {
    checkStopped(migration.signal);
    await migration.lock.ensure();
    await allSettled(
      shards.map(async (shard) => {
        const client = await sessions.destination(shard, "schema");
        try {
          await applyKeys(plan, table, client, { shard });
        } finally {
          await endQuietly(client);
        }
      }),
    );
  });
  report({ type: "table-key-built", table: name, milliseconds: Date.now() - keyStarted });
}

/** One attempt at the shards that lack the table, as they are now: an attempt that failed may have committed on some. */
async function copyMissing(migration: Migration, table: PublishedTable): Promise<{ rows: number; bytes: number }> {
  const { report, shards, sessions, signal } = migration;
  const purpose = `copy ${table.oid}` as const;
  const missing = await Promise.all(
    shards.map(async (shard) => {
      const client = await sessions.destination(shard, "journal");
      try {
        await sessions.fence(client, purpose);
        return (await readTableProgress(client, migration.progress)).get(tableId(table)) === undefined;
      } finally {
        await client.end();
      }
    }),
  );
  const name = displayName(table);
  let rows = 0;
  let bytes = 0;
  const source = copyTable({ server: migration.source, applicationName: sessions.applicationName(purpose), table });
  const operators = pipe(
    decodeTuples({ columns: table.columns.length, table: name }),
    tap((batch: RowBatch) => {
      rows += batch.count;
      // The five bytes of each message between the rows are not theirs.
      if (batch.count > 0) bytes += batch.ends[batch.count - 1]! - batch.starts[0]! - 5 * (batch.count - 1);
      report({ type: "table-progress", table: name, rows, bytes, estimatedRows: table.estimatedRows });
    }),
    shardRows({ table, route: migration.route(table) }),
    partitionRows(shards.length),
  );
  const sinks = shards.map((shard, index) =>
    missing[index] === true
      ? copyIntoShard({ open: () => sessions.writer(shard, purpose), table, progress: migration.progress, exclusive: true })
      : undefined,
  );
  if (missing.includes(true)) await untilDone(run(source, operators, toShards(rowPart, sinks)), signal);
  return { rows, bytes };
}

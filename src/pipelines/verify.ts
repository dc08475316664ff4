import type pg from "pg";
import { inLanes } from "../in-lanes.js";
import { type PublishedTable, readServerVersion } from "../postgres/catalog.js";
import { endQuietly } from "../postgres/connection.js";
import { displayName, tableId } from "../postgres/identifiers.js";
import { allSettled } from "./all-settled.js";
import { checkTargetColumns } from "./check-target-columns.js";
import { checksumStatement } from "./checksum-statement.js";
import { checkStopped, interrupted } from "./interrupted.js";
import type { Migration } from "./migration.js";
import { misplacedRows } from "./misplaced-rows.js";
import { replicate } from "./replicate.js";
import { readSlot } from "./slot-state.js";
import { exportSnapshot, joinSnapshot, type Snapshot } from "./snapshot.js";
import { type RowsSum, rowsSum } from "./rows-sum.js";
import type { SourceShard } from "./source-shard.js";
import { stopWaiting } from "./stop-waiting.js";
import { shapeOf } from "./table-shapes.js";
import { isSound, type TableVerdict } from "./table-verdict.js";
import { copyFormatOf } from "./value-formats.js";

/** Tables compared at a time; each is read on the source's shards and on the destination's at once. */
const PARALLEL_TABLES = 2;
/**
 * Moments at which a table is compared before a difference is believed. A table that is truncated meanwhile is empty in
 * older snapshots too (manual, "MVCC Caveats"); and snapshots of several source shards are not of one moment, so that a
 * row which was moved between them may be in both.
 */
const MOMENTS = 3;

/**
 * Compares source and shards table by table. Writers need not pause: a snapshot of each source shard is taken at a known
 * position, the shards are brought exactly there from the migration's slots, and the two are compared while the changes
 * that come later wait in the slots. Without a slot the two are compared as they are.
 */
export async function verify(migration: Migration): Promise<TableVerdict[]> {
  const { report } = migration;
  const verdicts: TableVerdict[] = [];
  let tables = migration.tables;
  for (let moment = 1; tables.length > 0; moment++) {
    const again: PublishedTable[] = [];
    await compareNow(migration, tables, moment === 1, (table, verdict, atPosition) => {
      if (moment < MOMENTS && atPosition && !isSound(verdict)) {
        again.push(table);
        return;
      }
      verdicts.push(verdict);
      report({ type: "table-verified", verdict });
    });
    tables = again;
  }
  return verdicts.sort((a, b) => (a.table < b.table ? -1 : 1));
}

/** Compares tables at one moment. */
async function compareNow(migration: Migration, tables: readonly PublishedTable[], first: boolean, found: (table: PublishedTable, verdict: TableVerdict, atPosition: boolean) => void): Promise<void> {
  const { sources, report, signal } = migration;
  checkStopped(signal);
  const slots = await Promise.all(sources.map((source) => source.monitor((client) => readSlot(client, source.slot))));
  const opened: pg.Client[] = [];
  try {
    // The snapshots have to be taken up before the first wait; each lives as long as one session is in it.
    const joined = await Promise.all(sources.map((source) => exporterOf(migration, source, !slots.includes(undefined), opened)));
    const snapshots = joined.flatMap(({ snapshot }) => snapshot ?? []);
    if (snapshots.length === 0) {
      report({ type: "note", message: "There is no slot: source and shards are compared as they are now, and writes in between show as differences." });
    } else if (!(await replicate(migration, { kind: "snapshots", snapshots })) || signal.aborted) throw interrupted();
    if (first) report({ type: "verify-started", tables: tables.length, position: snapshots[0]?.position });
    const sameMajor = await isOneMajor(migration);
    await inLanes([...tables].sort((a, b) => b.bytes - a.bytes), {
      width: PARALLEL_TABLES,
      ready: 1,
      open: async (lane) => (lane === 0 ? joined.map(({ reader }) => reader) : await allSettled(sources.map((source) => readerOf(migration, source, joined[source.number]!.snapshot, opened)))),
      async work(table, readers) {
        checkStopped(signal);
        try {
          found(table, await compare(migration, table, readers, sameMajor), snapshots.length > 0);
        } catch (error) {
          // The other lane need not come to the end of its table.
          await Promise.all(opened.map(endQuietly));
          throw error;
        }
      },
    });
  } finally {
    await Promise.all(opened.map(endQuietly));
  }
}

/** Has a source shard's snapshot, or what is there now, read by a first session; where there is a snapshot others may join it. */
async function exporterOf(migration: Migration, source: SourceShard, atPosition: boolean, opened: pg.Client[]): Promise<{ readonly snapshot: Snapshot | undefined; readonly reader: pg.Client }> {
  if (!atPosition) return { snapshot: undefined, reader: await readerOf(migration, source, undefined, opened) };
  const exporter = await migration.sessions.source(source.address, "verify", { replication: true });
  opened.push(exporter);
  const snapshot = await stopWaiting(migration.signal, exporter, () => exportSnapshot(exporter));
  return { snapshot, reader: await readerOf(migration, source, snapshot, opened) };
}

/** @param opened told of every session, also where a later one fails */
async function readerOf({ sessions }: Migration, source: SourceShard, snapshot: Snapshot | undefined, opened: pg.Client[]): Promise<pg.Client> {
  const client = await sessions.source(source.address, "verify");
  opened.push(client);
  await joinSnapshot(client, snapshot?.name);
  return client;
}

/** True where all servers are of one major version. */
async function isOneMajor(migration: Migration): Promise<boolean> {
  const onShards = await Promise.all(migration.shards.map((shard) => migration.sessions.kept.use(shard, "journal", readServerVersion)));
  return new Set([...migration.sources.map(({ version }) => version), ...onShards].map((version) => Math.floor(version / 10000))).size === 1;
}

/** @param readers a session on each source shard */
async function compare(migration: Migration, table: PublishedTable, readers: readonly pg.Client[], sameMajor: boolean): Promise<TableVerdict> {
  const { sources, shards } = migration;
  const route = migration.route(table);
  const takers = sources.filter((source) => source.takes(table));
  const { source: sumOfSource, shard: sumOfShard } = await waysToSum(migration, table, sameMajor);
  const [there, found] = await Promise.all([
    Promise.all(takers.map((source) => sumOfSource(readers[source.number]!, source.published(table)))),
    Promise.all(shards.map((shard, index) =>
      migration.sessions.kept.use(shard, "verify", async (client) => ({
        ...(await sumOfShard(client)),
        misplaced: await misplacedRows(client, migration.after(table), route, index, migration.pipeline.general.reshardingCopyFormat),
      })),
    )),
  ]);
  const expected = sum(there);
  const equal = route.kind === "omnisharded" ? found.every((shard) => isEqual(shard, expected)) : isEqual(sum(found), expected);
  return {
    table: displayName(table),
    sharding: route.kind === "key" ? `key ${route.column}` : route.kind === "fixed" ? `shard ${route.shard}` : "omnisharded",
    sourceRows: expected.rows,
    shardRows: found.map((shard) => shard.rows),
    equal,
    misplaced: found.reduce((misplaced, shard) => misplaced + shard.misplaced, 0),
  };
}

/** By the servers; or here, where the source's rows have to pass operators first. */
async function waysToSum(migration: Migration, table: PublishedTable, sameMajor: boolean): Promise<{ readonly source: (client: pg.Client, published: PublishedTable) => Promise<RowsSum>; readonly shard: (client: pg.Client) => Promise<RowsSum> }> {
  const chain = migration.chainOf(shapeOf(table), true);
  if (chain === undefined) {
    return {
      source: (client, published) => readSum(client, checksumStatement(published, { sameMajor, where: published.rowFilter })),
      shard: (client) => readSum(client, checksumStatement(table, { sameMajor })),
    };
  }
  const widened = (await checkTargetColumns(migration, [table])).get(tableId(table)) ?? new Set();
  const format = copyFormatOf(table, migration.pipeline);
  return {
    // In the order of the first shard's columns.
    source: (client, published) => rowsSum(client, { table: { ...published, columns: table.columns }, format, chain, widened }),
    shard: (client) => rowsSum(client, { table: { ...migration.after(table), rowFilter: undefined }, format }),
  };
}

function sum(parts: readonly RowsSum[]): RowsSum {
  return parts.reduce((total, part) => ({ rows: total.rows + part.rows, checksum: total.checksum + part.checksum }), { rows: 0, checksum: 0n });
}

function isEqual(a: RowsSum, b: RowsSum): boolean {
  return a.rows === b.rows && a.checksum === b.checksum;
}

async function readSum(client: pg.Client, statement: string): Promise<RowsSum> {
  const { rows } = await client.query<{ rows: number; checksum: string }>(statement);
  return { rows: rows[0]!.rows, checksum: BigInt(rows[0]!.checksum) };
}

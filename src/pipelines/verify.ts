import { from, lastValueFrom, mergeMap, toArray } from "rxjs";
import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { type PublishedTable, readServerVersion } from "../postgres/catalog.js";
import { endQuietly } from "../postgres/connection.js";
import { displayName } from "../postgres/identifiers.js";
import { checksumStatement } from "./checksum-statement.js";
import { checkStopped, interrupted } from "./interrupted.js";
import type { Migration } from "./migration.js";
import { misplacedRows } from "./misplaced-rows.js";
import { replicate } from "./replicate.js";
import { readSlot } from "./slot.js";
import { exportSnapshot, joinSnapshot } from "./snapshot.js";
import type { TableVerdict } from "./table-verdict.js";

/** Tables compared at a time; each is read on the source and on every shard at once. */
const PARALLEL_TABLES = 2;

interface Sum {
  readonly rows: number;
  readonly checksum: bigint;
}

/**
 * Compares source and shards table by table. Writers need not pause: a snapshot of the source is taken at a known
 * position, the shards are brought exactly there from the migration's slot, and the two are compared while the changes
 * that come later wait in the slot. Without a slot the two are compared as they are.
 */
export async function verify(migration: Migration): Promise<TableVerdict[]> {
  const { sessions, source, shards, facts, report, signal } = migration;
  checkStopped(signal);
  const slot = await migration.monitor((client) => readSlot(client, migration.slot));
  const exporter = await sessions.source(source, "verify", { replication: true });
  const opened: pg.Client[] = [exporter];
  try {
    const snapshot = slot === undefined ? undefined : await exportSnapshot(exporter);
    const tables = facts.publication.tables;
    // The snapshot has to be taken up before the first wait; it lives as long as one session is in it.
    const readers = await Promise.all(Array.from({ length: PARALLEL_TABLES }, async () => {
      const client = await sessions.source(source, "verify");
      opened.push(client);
      await joinSnapshot(client, snapshot?.name);
      return client;
    }));
    if (snapshot === undefined) {
      report({ type: "note", message: "There is no slot: source and shards are compared as they are now, and writes in between show as differences." });
    } else if (!(await replicate(migration, { kind: "position", position: snapshot.position, snapshot: snapshot.name })) || signal.aborted) throw interrupted();
    report({ type: "verify-started", tables: tables.length, position: snapshot?.position });
    const checker = await shardVersions(migration);
    const verdicts = await lastValueFrom(
      from([...tables].sort((a, b) => b.bytes - a.bytes)).pipe(
        mergeMap(async (table) => {
          checkStopped(signal);
          const reader = readers.pop()!;
          try {
            const verdict = await compare(migration, table, reader, shards, checker);
            report({ type: "table-verified", verdict });
            return verdict;
          } finally {
            readers.push(reader);
          }
        }, PARALLEL_TABLES),
        toArray(),
      ),
    );
    return verdicts.sort((a, b) => (a.table < b.table ? -1 : 1));
  } finally {
    await Promise.all(opened.map(endQuietly));
  }
}

/** True where all servers are of one major version. */
async function shardVersions(migration: Migration): Promise<boolean> {
  const major = Math.floor(migration.facts.version / 10000);
  const versions = await Promise.all(migration.shards.map((shard) => onShard(migration, shard, readServerVersion)));
  return versions.every((version) => Math.floor(version / 10000) === major);
}

async function compare(migration: Migration, table: PublishedTable, source: pg.Client, shards: readonly ServerAddress[], sameMajor: boolean): Promise<TableVerdict> {
  const route = migration.route(table);
  const [expected, ...found] = await Promise.all([
    readSum(source, checksumStatement(table, { sameMajor, where: table.rowFilter })),
    ...shards.map((shard, index) =>
      onShard(migration, shard, async (client) => ({
        ...(await readSum(client, checksumStatement(table, { sameMajor }))),
        misplaced: await misplacedRows(client, table, route, index),
      })),
    ),
  ]);
  const equal =
    route.kind === "omnisharded"
      ? found.every((shard) => shard.rows === expected.rows && shard.checksum === expected.checksum)
      : found.reduce((sum, shard) => sum + shard.rows, 0) === expected.rows && found.reduce((sum, shard) => sum + shard.checksum, 0n) === expected.checksum;
  return {
    table: displayName(table),
    sharding: route.kind === "key" ? `key ${route.column}` : route.kind === "fixed" ? `shard ${route.shard}` : "omnisharded",
    sourceRows: expected.rows,
    shardRows: found.map((shard) => shard.rows),
    equal,
    misplaced: found.reduce((sum, shard) => sum + shard.misplaced, 0),
  };
}

async function readSum(client: pg.Client, statement: string): Promise<Sum> {
  const { rows } = await client.query<{ rows: number; checksum: string }>(statement);
  return { rows: rows[0]!.rows, checksum: BigInt(rows[0]!.checksum) };
}

async function onShard<T>(migration: Migration, shard: ServerAddress, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await migration.sessions.destination(shard, "verify");
  try {
    return await work(client);
  } finally {
    await endQuietly(client);
  }
}

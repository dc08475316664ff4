import type pg from "pg";
import { ReshardError } from "../errors.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { quoteIdentifier } from "../postgres/identifiers.js";
import { formatLsn, type Lsn, parseLsn } from "../postgres/lsn.js";
import type { Migration } from "./migration.js";
import { stopWaiting } from "./stop-waiting.js";
import type { SourceShard } from "./source-shard.js";
import { readSlot } from "./slot-state.js";

/**
 * Makes the permanent slot, before the first table is copied: from here on the source keeps every change. A slot that is
 * gone while rows are on the shards already cannot be made again: changes in between would be missing.
 *
 * @param begun something of this source shard is on the shards already
 */
export async function ensureSlot(migration: Migration, source: SourceShard, begun: boolean): Promise<void> {
  const slot = await source.monitor((client) => readSlot(client, source.slot));
  if (slot?.walStatus === "lost") {
    throw new ReshardError("SLOT_LOST", `${displayAddress(source.address)} has thrown away WAL that the slot ${source.slot} still needed (max_slot_wal_keep_size).`, {
      remedy: "The migration cannot go on. Run `pg-reshard finish --drop-progress`, empty the destination, raise max_slot_wal_keep_size and start anew.",
    });
  }
  if (slot !== undefined) return;
  if (begun) {
    throw new ReshardError("SLOT_MISSING", `The slot ${source.slot} is not on ${displayAddress(source.address)} any more, and the changes it kept are gone with it${migration.entry.phase === "finished" ? ": this migration was finished" : ""}.`, {
      remedy: "The migration cannot go on. Run `pg-reshard finish --drop-progress`, empty the destination and start anew.",
    });
  }
  const { sessions, signal } = migration;
  const client = await sessions.source(source.address, "stream", { replication: true });
  try {
    // It waits for all transactions that are open.
    await stopWaiting(signal, client, () => client.query(`CREATE_REPLICATION_SLOT ${quoteIdentifier(source.slot)} LOGICAL pgoutput (SNAPSHOT 'nothing')`));
  } catch (error) {
    // The server would go on waiting, and make the slot when nobody is there any more.
    if (signal.aborted) await source.monitor((monitor) => sessions.fence(monitor, "stream"));
    throw error;
  } finally {
    await endQuietly(client);
  }
}

/** Where everything that is committed on the source now lies before. */
export async function sourcePosition(monitor: pg.Client): Promise<Lsn> {
  return (await sourcePositions(monitor)).inserted;
}

export interface SourcePositions {
  /** Everything that is committed now lies before it. */
  readonly inserted: Lsn;
  /** As far as WAL is on the source's disk, and so as far as it is sent. */
  readonly flushed: Lsn;
  /**
   * Milliseconds after which a commit that is seen is on disk, also one that did not wait for it: three times
   * wal_writer_delay (manual, "Asynchronous Commit").
   */
  readonly flushDelay: number;
}

export async function sourcePositions(monitor: pg.Client): Promise<SourcePositions> {
  // Asked many times a second while a stream is waited for: planned once, and without pg_settings, which computes every setting.
  const { rows } = await monitor.query<{ inserted: string; flushed: string; delay: number; block: number; segment: number }>({
    name: "source positions",
    text: `SELECT pg_current_wal_insert_lsn() AS inserted, pg_current_wal_flush_lsn() AS flushed,
                  (EXTRACT(epoch FROM current_setting('wal_writer_delay')::interval) * 1000)::int4 AS delay,
                  current_setting('wal_block_size')::int4 AS block, pg_size_bytes(current_setting('wal_segment_size'))::int4 AS segment`,
  });
  const row = rows[0]!;
  return {
    inserted: endOfRecord(parseLsn(row.inserted), row.block, row.segment),
    flushed: endOfRecord(parseLsn(row.flushed), row.block, row.segment),
    flushDelay: 3 * row.delay,
  };
}

/** Bytes of a WAL page's header (SizeOfXLogShortPHD, SizeOfXLogLongPHD, access/xlog_internal.h). */
const SHORT_PAGE_HEADER = 24n;
const LONG_PAGE_HEADER = 40n;

/**
 * The insert position is given behind a page's header where the page is still empty; what has been sent and flushed ends
 * before it. Without this an idle server would seem to lag by a header for ever.
 */
export function endOfRecord(inserted: Lsn, blockBytes: number, segmentBytes: number): Lsn {
  const inPage = inserted % BigInt(blockBytes);
  const header = inserted % BigInt(segmentBytes) < BigInt(blockBytes) ? LONG_PAGE_HEADER : SHORT_PAGE_HEADER;
  return inPage === header ? inserted - header : inserted;
}

/** Drops a slot, waiting for its reader to leave. True if there was one. */
export async function dropSlot(client: pg.Client, name: string): Promise<boolean> {
  const slot = await readSlot(client, name);
  if (slot === undefined) return false;
  if (slot.active) {
    throw new ReshardError("SLOT_ACTIVE", `The slot ${name} is being read (confirmed ${slot.confirmed === undefined ? "nothing" : formatLsn(slot.confirmed)}).`, {
      remedy: "Stop the run that streams from it first.",
    });
  }
  await client.query("SELECT pg_drop_replication_slot($1)", [name]);
  return true;
}

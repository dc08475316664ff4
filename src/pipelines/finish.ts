import type pg from "pg";
import type { Pipeline } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { type JournalEntry, journalPhase, readJournal } from "../progress/journal.js";
import { hasCutoverTable } from "../progress/cutover-journal.js";
import { dropProgressTables, hasProgressTables } from "../progress/progress-tables.js";
import { migrationId } from "./migration.js";
import { MigrationLock } from "./migration-lock.js";
import { Sessions } from "./sessions.js";
import { dropSlot } from "./slot.js";

/** The journal's phase of a migration that was ended. */
export const FINISHED_PHASE = "finished";

export interface FinishResult {
  readonly migration: string;
  /** The journal knew the migration. */
  readonly known: boolean;
  /** Names of the slots that were dropped on the source. */
  readonly droppedSlots: readonly string[];
  /** Shards (`host:port/database`) whose bookkeeping in the schema `reshard` was dropped. */
  readonly droppedProgress: readonly string[];
  /** Migrations whose progress keeps the schema `reshard` on shards where it was to be dropped. */
  readonly keptFor: readonly string[];
}

export interface FinishOptions {
  readonly pipeline: Pipeline;
  /** Remove this migration's progress from every shard, and the schema `reshard` with it. */
  readonly dropProgress: boolean;
}

/**
 * Ends a migration: drops its slots and notes it in the journal. Done twice it does nothing the second time. Fails with
 * ALREADY_RUNNING while a run is going on.
 */
export async function finishMigration({ pipeline, dropProgress }: FinishOptions): Promise<FinishResult> {
  const id = migrationId(pipeline);
  const sessions = new Sessions(id);
  const shards = pipeline.to.shards.map((shard) => shard.primary);
  const lock = new MigrationLock(shards[0]!, sessions, id);
  const opened: pg.Client[] = [];
  try {
    // All servers are tried before anything is dropped on one of them.
    const clients: pg.Client[] = [];
    for (const shard of shards) {
      const client = await sessions.destination(shard, "journal");
      opened.push(client);
      clients.push(client);
    }
    const sources: pg.Client[] = [];
    for (const { primary } of pipeline.from.shards) {
      const source = await sessions.source(primary, "monitor");
      opened.push(source);
      sources.push(source);
    }
    const journal = clients[0]!;
    await lock.ensure();
    const entry = (await readJournal(journal)).find((candidate) => candidate.id === id);
    const droppedSlots: string[] = [];
    if (entry !== undefined) {
      for (const [number, slot] of entry.slots.entries()) {
        const source = sources[number];
        if (source === undefined) throw sourceShardMissing(entry, number);
        // The reader of a run that was killed may not have left yet.
        await sessions.fence(source, "stream");
        if (await dropSlot(source, slot)) droppedSlots.push(slot);
      }
      await journalPhase(journal, id, FINISHED_PHASE);
    }
    const droppedProgress: string[] = [];
    const keptFor = new Set<string>();
    if (dropProgress) {
      // The journal goes last, so that the same command can go on if it is interrupted here.
      for (const [index, client] of [...clients.entries()].reverse()) {
        if (!(await hasProgressTables(client))) continue;
        const others = await dropOwnProgress(client, id);
        for (const other of others) keptFor.add(other);
        if (others.length > 0) continue;
        await dropProgressTables(client);
        droppedProgress.unshift(displayAddress(shards[index]!));
      }
    }
    return { migration: id, known: entry !== undefined, droppedSlots, droppedProgress, keptFor: [...keptFor] };
  } finally {
    await Promise.all([...opened.map(endQuietly), lock.release()]);
  }
}

function sourceShardMissing({ slots, source }: JournalEntry, number: number): ReshardError {
  return new ReshardError("SOURCE_SHARDS_CHANGED", `This migration began with ${slots.length} source shards; [[databases]] names no shard ${number} of ${source}.`, {
    remedy: "Give [[databases]] the shards it began with.",
  });
}

/** Removes a migration's rows; answers with the other migrations that have some. */
async function dropOwnProgress(client: pg.Client, id: string): Promise<string[]> {
  await client.query("BEGIN");
  await client.query("DELETE FROM reshard.table_progress WHERE migration = $1", [id]);
  await client.query("DELETE FROM reshard.stream_progress WHERE migration = $1", [id]);
  await client.query("DELETE FROM reshard.known_columns WHERE migration = $1", [id]);
  // Of an older pg-reshard's schema it may be missing.
  if (await hasCutoverTable(client)) await client.query("DELETE FROM reshard.cutover WHERE migration = $1", [id]);
  await client.query("DELETE FROM reshard.migration WHERE id = $1", [id]);
  await client.query("COMMIT");
  const { rows } = await client.query<{ id: string }>(
    "SELECT id FROM reshard.migration UNION SELECT migration FROM reshard.table_progress UNION SELECT migration FROM reshard.stream_progress ORDER BY 1",
  );
  return rows.map((row) => row.id);
}

import type pg from "pg";
import { hasProgressTables } from "./progress-tables.js";

/** What is known of a migration beyond the data itself; one row on the first destination shard. */
export interface JournalEntry {
  readonly id: string;
  readonly source: string;
  readonly destination: string;
  readonly publication: string;
  /** Name of the permanent slot on each source shard, by its number. */
  readonly slots: readonly string[];
  /** Stages that need not run again: `schema_sync:pre`, `copy`, `schema_sync:post`. */
  readonly finishedStages: readonly string[];
  /** What the migration was doing last, for people. */
  readonly phase: string;
  readonly startedAt: Date;
  readonly updatedAt: Date;
}

interface JournalRow {
  id: string;
  source: string;
  destination: string;
  publication: string;
  slots: string[];
  finished_stages: string[];
  phase: string;
  started_at: Date;
  updated_at: Date;
}

/** All migrations that the journal of this shard knows, oldest first; none where nothing was begun. */
export async function readJournal(client: pg.Client): Promise<JournalEntry[]> {
  if (!(await hasProgressTables(client))) return [];
  const { rows } = await client.query<JournalRow>("SELECT * FROM reshard.migration ORDER BY started_at, id");
  return rows.map((row) => ({
    id: row.id,
    source: row.source,
    destination: row.destination,
    publication: row.publication,
    slots: row.slots,
    finishedStages: row.finished_stages,
    phase: row.phase,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
  }));
}

/** Begins the journal of a migration. The slots' names are noted before the slots are made, so none is ever forgotten. */
export async function beginJournal(client: pg.Client, entry: Pick<JournalEntry, "id" | "source" | "destination" | "publication" | "slots">): Promise<void> {
  await client.query(
    "INSERT INTO reshard.migration (id, source, destination, publication, slots, phase) VALUES ($1, $2, $3, $4, $5, 'starting')",
    [entry.id, entry.source, entry.destination, entry.publication, JSON.stringify(entry.slots)],
  );
}

export async function journalPhase(client: pg.Client, id: string, phase: string): Promise<void> {
  await client.query("UPDATE reshard.migration SET phase = $2, updated_at = now() WHERE id = $1", [id, phase]);
}

export async function journalStageFinished(client: pg.Client, id: string, stage: string): Promise<void> {
  await client.query(
    "UPDATE reshard.migration SET finished_stages = array_append(finished_stages, $2), updated_at = now() WHERE id = $1 AND NOT $2 = ANY (finished_stages)",
    [id, stage],
  );
}

export async function dropJournal(client: pg.Client, id: string): Promise<void> {
  await client.query("DELETE FROM reshard.migration WHERE id = $1", [id]);
}

import { generatedSlot, migrationId, slotName } from "../pipelines/migration.js";
import { reading } from "../pipelines/reading.js";
import { Sessions } from "../pipelines/sessions.js";
import { displayAddress } from "../postgres/connection.js";
import { reasonOf } from "../postgres/server-errors.js";
import type { ServerAddress } from "../config/types.js";
import type { TaskView } from "./task.js";
import type { StreamState } from "./task-progress.js";

/** A slot on a server of a source. */
export interface SlotRow {
  readonly task: number;
  readonly sourceShard: number;
  readonly address: ServerAddress;
  /** The source's name. */
  readonly database: string;
  readonly name: string;
  /** `pg_lsn` as text; null before the first confirmation. */
  readonly lsn: string | null;
  /** Bytes of WAL that the server's end is ahead of it. */
  readonly lagBytes: number | null;
  /** It holds a snapshot for a table's copy, and goes with it. */
  readonly temporary: boolean;
  readonly active: boolean;
  readonly walStatus: string | null;
  /** Bytes of WAL that the server keeps for it. */
  readonly retainedBytes: number | null;
  readonly stream: StreamState | undefined;
}

export interface FoundSlots {
  readonly slots: readonly SlotRow[];
  /** Servers that could not be asked, a sentence each. */
  readonly notices: readonly string[];
}

/** Asks the sources of all tasks for the slots of their migrations. */
export async function findSlots(tasks: readonly TaskView[]): Promise<FoundSlots> {
  const seen = new Set<string>();
  const asked = tasks.flatMap((task) => {
    const { pipeline } = task;
    if (pipeline === undefined || task.spec.kind === "schema_sync" || task.spec.kind === "verify") return [];
    const id = migrationId(pipeline);
    // The newest task of a migration speaks for it.
    if (seen.has(id)) return [];
    seen.add(id);
    return pipeline.from.shards.map(async ({ primary, number }): Promise<FoundSlots> => {
      try {
        return { slots: await slotsOn(primary, number, task, id), notices: [] };
      } catch (error) {
        return { slots: [], notices: [`${displayAddress(primary)} could not be asked for its slots: ${reasonOf(error)}`] };
      }
    });
  });
  const found = await Promise.all(asked);
  return { slots: found.flatMap(({ slots }) => slots), notices: found.flatMap(({ notices }) => notices) };
}

async function slotsOn(address: ServerAddress, sourceShard: number, task: TaskView, id: string): Promise<SlotRow[]> {
  const sessions = new Sessions(id);
  const pipeline = task.pipeline!;
  return await reading(sessions.source(address, "monitor"), async (client) => {
    const { rows } = await client.query<{ name: string; lsn: string | null; lag: number | null; temporary: boolean; active: boolean; wal_status: string | null; retained: number | null }>(
      `SELECT s.slot_name AS name, s.confirmed_flush_lsn::text AS lsn, (pg_current_wal_lsn() - s.confirmed_flush_lsn)::float8 AS lag, s.temporary, s.active, s.wal_status,
              (pg_current_wal_lsn() - s.restart_lsn)::float8 AS retained
         FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
        WHERE s.database = current_database() AND (s.slot_name = $1 OR (s.temporary AND starts_with(a.application_name, $2))) ORDER BY s.temporary, s.slot_name`,
      [slotName(pipeline.slot ?? generatedSlot(id), sourceShard), `${sessions.tag} `],
    );
    const stream = task.progress.streams.find((candidate) => candidate.sourceShard === sourceShard);
    return rows.map((row): SlotRow => ({
      task: task.id,
      sourceShard,
      address,
      database: task.spec.source,
      name: row.name,
      lsn: row.lsn,
      lagBytes: row.lag === null ? null : Math.max(0, row.lag),
      temporary: row.temporary,
      active: row.active,
      walStatus: row.wal_status,
      retainedBytes: row.retained === null ? null : Math.max(0, row.retained),
      stream: row.temporary ? undefined : stream,
    }));
  });
}

import type pg from "pg";

/** A task of the admin database as it is kept: one row on the first shard of its destination. */
export interface TaskRow {
  readonly id: number;
  /** `reshard`, `copy_data`, `schema_sync`, `replication`, `verify`. */
  readonly kind: string;
  readonly source: string;
  readonly destination: string;
  /** Where the source's first shard is (`host:port/database`): names may lead elsewhere after a cutover. */
  readonly sourceServer: string;
  readonly publication: string;
  readonly slot: string | undefined;
  /** Of a schema sync. */
  readonly phase: string | undefined;
  /** The way back of a cutover. */
  readonly reverse: boolean;
  readonly status: string;
  /** What else is to be known of it; its owner's business. */
  readonly detail: unknown;
  readonly startedAt: Date;
  readonly updatedAt: Date;
  readonly endedAt: Date | undefined;
}

interface StoredTask {
  id: string;
  kind: string;
  source: string;
  destination: string;
  source_server: string;
  publication: string;
  slot: string | null;
  phase: string | null;
  reverse: boolean;
  status: string;
  detail: unknown;
  started_at: Date;
  updated_at: Date;
  ended_at: Date | null;
}

/** True where tasks can be written; the schema of an older version has no such table. */
export async function hasTaskTable(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>("SELECT to_regclass('reshard.task') IS NOT NULL AS there");
  return rows[0]!.there;
}

/** All tasks that this shard knows, oldest first. */
export async function readTasks(client: pg.Client): Promise<TaskRow[]> {
  const { rows } = await client.query<StoredTask>("SELECT * FROM reshard.task ORDER BY id");
  return rows.map((row) => ({
    id: Number(row.id),
    kind: row.kind,
    source: row.source,
    destination: row.destination,
    sourceServer: row.source_server,
    publication: row.publication,
    slot: row.slot ?? undefined,
    phase: row.phase ?? undefined,
    reverse: row.reverse,
    status: row.status,
    detail: row.detail,
    startedAt: row.started_at,
    updatedAt: row.updated_at,
    endedAt: row.ended_at ?? undefined,
  }));
}

/** Notes a new task. False where its number is taken. */
export async function beginTask(client: pg.Client, row: TaskRow): Promise<boolean> {
  const result = await client.query(
    `INSERT INTO reshard.task (id, kind, source, destination, source_server, publication, slot, phase, reverse, status, detail, started_at, updated_at, ended_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (id) DO NOTHING`,
    [row.id, row.kind, row.source, row.destination, row.sourceServer, row.publication, row.slot, row.phase, row.reverse, row.status, JSON.stringify(row.detail), row.startedAt, row.updatedAt, row.endedAt],
  );
  return result.rowCount === 1;
}

/** Notes what has become of a task. Without effect where its row was dropped. */
export async function updateTask(client: pg.Client, row: TaskRow): Promise<void> {
  await client.query("UPDATE reshard.task SET status = $2, detail = $3, updated_at = $4, ended_at = $5 WHERE id = $1", [row.id, row.status, JSON.stringify(row.detail), row.updatedAt, row.endedAt]);
}

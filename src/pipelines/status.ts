import type pg from "pg";
import type { Pipeline, ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { readPublication } from "../postgres/catalog.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { type Lsn, minLsn } from "../postgres/lsn.js";
import { type CutoverEntry, readCutovers } from "../progress/cutover-journal.js";
import { type JournalEntry, readJournal } from "../progress/journal.js";
import { hasProgressTables } from "../progress/progress-tables.js";
import { readStreamProgress } from "../progress/stream-progress.js";
import { readTableProgress } from "../progress/table-progress.js";
import { migrationId } from "./migration.js";
import { lockName } from "./migration-lock.js";
import { Sessions } from "./sessions.js";
import { sourcePosition } from "./slot.js";
import { readSlot, type SlotState } from "./slot-state.js";

/** What a shard says of a migration. */
export interface ShardStatus {
  /** `host:port/database`. */
  readonly server: string;
  readonly tablesCopied: number;
  /** Rows of those tables when they were copied. */
  readonly rowsCopied: number;
  /** By source shard: all its changes before this are here; undefined before the first. */
  readonly applied: readonly (Lsn | undefined)[];
}

/** What a shard of the source says of a migration. */
export interface SourceStatus {
  /** `host:port/database`. */
  readonly server: string;
  /** Tables that the publication holds now; undefined where it is gone. */
  readonly tables: number | undefined;
  readonly slot: string;
  /** Undefined where the source has no such slot: not made yet, or dropped. */
  readonly slotState: SlotState | undefined;
  /** Bytes of WAL between the source's position and the shard that is furthest behind; undefined without a slot. */
  readonly lag: number | undefined;
}

export interface MigrationStatus {
  readonly entry: JournalEntry;
  /** A process holds the migration's lock. */
  readonly running: boolean;
  readonly shards: readonly ShardStatus[];
  /** Its last cutover, where there was one. */
  readonly cutover: CutoverEntry | undefined;
  /** By source shard; empty where the migration is from another database than the pipeline's. */
  readonly sources: readonly SourceStatus[];
}

/**
 * What the journal on the destination tells, oldest migration first; empty where nothing was begun. It takes no lock and
 * changes nothing, so it can be asked at any time.
 */
export async function readStatus(pipeline: Pipeline): Promise<MigrationStatus[]> {
  const sessions = new Sessions(migrationId(pipeline));
  const shards = pipeline.to.shards.map((shard) => shard.primary);
  const opened: pg.Client[] = [];
  try {
    const journal = await sessions.destination(shards[0]!, "monitor");
    opened.push(journal);
    const entries = await readJournal(journal);
    if (entries.length === 0) return [];
    const clients = [journal];
    for (const shard of shards.slice(1)) {
      const client = await sessions.destination(shard, "monitor");
      opened.push(client);
      clients.push(client);
    }
    const servers = pipeline.from.shards.map(({ primary }) => primary);
    const sources: pg.Client[] = [];
    for (const server of servers) {
      const source = await sessions.source(server, "monitor");
      opened.push(source);
      sources.push(source);
    }
    const cutovers = await readCutovers(journal);
    const statuses: MigrationStatus[] = [];
    for (const entry of entries) {
      const own = await Promise.all(clients.map((client, shard) => shardStatus(client, shards[shard]!, entry)));
      statuses.push({
        entry,
        running: await isRunning(journal, entry.id),
        shards: own,
        cutover: cutovers.find(({ migration }) => migration === entry.id),
        sources: entry.source === pipeline.from.name ? await Promise.all(sources.slice(0, entry.slots.length).map((source, number) => sourceStatus(source, servers[number]!, number, entry, own))) : [],
      });
    }
    return statuses;
  } finally {
    await Promise.all(opened.map(endQuietly));
  }
}

async function shardStatus(client: pg.Client, address: ServerAddress, entry: JournalEntry): Promise<ShardStatus> {
  const server = displayAddress(address);
  // A run that was killed as it began has not made the tables everywhere.
  if (!(await hasProgressTables(client))) return { server, tablesCopied: 0, rowsCopied: 0, applied: entry.slots.map(() => undefined) };
  let rowsCopied = 0;
  const copiedFrom = new Map<string, number>();
  const applied: (Lsn | undefined)[] = [];
  for (const sourceShard of entry.slots.keys()) {
    const key = { migration: entry.id, sourceShard };
    for (const [table, { rows }] of await readTableProgress(client, key)) {
      rowsCopied += rows;
      copiedFrom.set(table, (copiedFrom.get(table) ?? 0) + 1);
    }
    const position = await readStreamProgress(client, key);
    applied.push(position === 0n ? undefined : position);
  }
  return { server, tablesCopied: copiedFrom.size, rowsCopied, applied };
}

async function sourceStatus(client: pg.Client, address: ServerAddress, number: number, entry: JournalEntry, shards: readonly ShardStatus[]): Promise<SourceStatus> {
  const slot = entry.slots[number]!;
  const slotState = await readSlot(client, slot);
  const tables = await readPublication(client, entry.publication).then(
    (publication) => publication.tables.length,
    (error: unknown) => {
      if (error instanceof ReshardError && error.code.startsWith("PUBLICATION_")) return undefined;
      throw error;
    },
  );
  return { server: displayAddress(address), tables, slot, slotState, lag: slotState === undefined ? undefined : lagOf(await sourcePosition(client), shards.map(({ applied }) => applied[number]), slotState) };
}

/** A shard to which nothing was streamed yet is where the slot is: there its stream begins. */
export function lagOf(position: Lsn, shards: readonly (Lsn | undefined)[], slot: Pick<SlotState, "confirmed">): number | undefined {
  const positions = shards.map((applied) => applied ?? slot.confirmed);
  if (positions.some((applied) => applied === undefined)) return undefined;
  return Number(position - positions.reduce<Lsn>((least, applied) => minLsn(least, applied!), position));
}

/** Whether somebody holds the lock of `MigrationLock`; a 64-bit key is two halves in pg_locks (manual, 53.13). */
async function isRunning(client: pg.Client, id: string): Promise<boolean> {
  const { rows } = await client.query<{ held: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_locks
              WHERE locktype = 'advisory' AND objsubid = 1 AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND ((classid::int8 << 32) | objid::int8) = hashtextextended($1, 0)) AS held`,
    [lockName(id)],
  );
  return rows[0]!.held;
}

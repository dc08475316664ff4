import { createHash } from "node:crypto";
import type pg from "pg";
import type { Pipeline, ServerAddress } from "../config/types.js";
import { defect, ReshardError } from "../errors.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { displayName, tableId, type TableName } from "../postgres/identifiers.js";
import { reasonOf, sqlState } from "../postgres/server-errors.js";
import { dumpSchema } from "../pg-dump/dump-schema.js";
import { beginJournal, type JournalEntry, readJournal } from "../progress/journal.js";
import { createProgressTables, hasProgressTables } from "../progress/progress-tables.js";
import type { ProgressKey } from "../progress/table-progress.js";
import { planSchema } from "../schema/plan-schema.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import type { TableRoute } from "../sharding/table-route.js";
import { checkDistinctDatabases } from "./distinct-databases.js";
import type { Report } from "./events.js";
import { MigrationLock } from "./migration-lock.js";
import { checkDestinationEmpty, checkSource, type SourceFacts } from "./preflight.js";
import { Sessions } from "./sessions.js";

/** A migration under way: what every stage works with. */
export interface Migration {
  readonly id: string;
  readonly pipeline: Pipeline;
  readonly report: Report;
  /** Aborted when the operator asks to stop. */
  readonly signal: AbortSignal;
  readonly sessions: Sessions;
  readonly lock: MigrationLock;
  /** Does something in the journal, in a session of its own: a run outlives the servers' restarts. */
  journal<T>(work: (client: pg.Client) => Promise<T>): Promise<T>;
  /** Asks the source's catalog something, likewise. */
  monitor<T>(work: (client: pg.Client) => Promise<T>): Promise<T>;
  readonly source: ServerAddress;
  readonly shards: readonly ServerAddress[];
  readonly facts: SourceFacts;
  /** As it was when this run began. */
  readonly entry: JournalEntry;
  readonly slot: string;
  readonly progress: ProgressKey;
  /** The source's schema, dumped when it is first asked for. */
  schemaPlan(): Promise<SchemaPlan>;
  route(table: TableName): TableRoute;
  /** The published table of this name; fails where it was not there when the migration began. */
  published(table: TableName): PublishedTable;
  close(): Promise<void>;
}

export interface MigrationOptions {
  readonly pipeline: Pipeline;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** The destination's rows may be there already (a slot that somebody else copied for). */
  readonly filledElsewhere?: boolean;
  /** Only compare: where no journal was begun none is, and nothing is made anywhere. */
  readonly compareOnly?: boolean;
}

/** Names a migration: the same words on the command line mean the same migration. */
export function migrationId(pipeline: Pipeline): string {
  return `${pipeline.from.name} to ${pipeline.to.name} (${pipeline.publication})`;
}

/**
 * Checks everything, takes the lock and opens or begins the journal. Nothing is made or changed anywhere before all
 * checks have passed.
 */
export async function openMigration(options: MigrationOptions): Promise<Migration> {
  const { pipeline, report, signal } = options;
  if (pipeline.from.shards.length > 1) {
    throw new ReshardError("SOURCE_SHARDED", `${pipeline.from.name} has ${pipeline.from.shards.length} shards; a source of more than one shard is not supported yet.`, {
      remedy: "Move one unsharded database.",
    });
  }
  if (pipeline.general.reshardingCopyFormat === "text") {
    throw new ReshardError("COPY_FORMAT_TEXT", 'resharding_copy_format = "text" is not supported yet.', { remedy: "Remove it: binary is the default." });
  }
  const id = migrationId(pipeline);
  const sessions = new Sessions(id);
  const source = pipeline.from.shards[0]!.primary;
  const shards = pipeline.to.shards.map((shard) => shard.primary);
  const opened: pg.Client[] = [];
  const lock = new MigrationLock(shards[0]!, sessions, id);
  try {
    const monitor = await sessions.source(source, "monitor");
    opened.push(monitor);
    const destinations: pg.Client[] = [];
    for (const shard of shards) {
      const client = await sessions.destination(shard, "journal");
      opened.push(client);
      destinations.push(client);
    }
    const journal = destinations[0]!;
    await lock.ensure();
    await checkDistinctDatabases({ address: source, client: monitor }, shards.map((address, shard) => ({ address, client: destinations[shard]! })));
    const facts = await checkSource(monitor, pipeline);
    for (const note of facts.notes) report({ type: "note", message: note });
    const entry = await openJournal({ ...options, id, journal, destinations, shards, facts, monitor });
    // Sessions that a killed run left behind may still be writing.
    await Promise.all(destinations.map((client) => sessions.fence(client, "apply", "copy", "schema")));
    await sessions.fence(monitor, "stream", "copy", "verify");
    await Promise.all(opened.map(endQuietly));
    let plan: Promise<SchemaPlan> | undefined;
    const tables = new Map(facts.publication.tables.map((table) => [tableId(table), table]));
    return {
      id,
      pipeline,
      report,
      signal,
      sessions,
      lock,
      journal: async (work) => await once(sessions.destination(shards[0]!, "journal"), work),
      monitor: async (work) => await once(sessions.source(source, "monitor"), work),
      source,
      shards,
      facts,
      entry,
      slot: entry.slots[0]!,
      progress: { migration: id, sourceShard: 0 },
      schemaPlan: () => (plan ??= loadPlan(pipeline, source, report)),
      route(table) {
        const route = facts.routes.get(tableId(table));
        if (route === undefined) throw unknownTable(table);
        return route;
      },
      published(table) {
        const found = tables.get(tableId(table));
        if (found === undefined) throw unknownTable(table);
        return found;
      },
      async close() {
        await lock.release();
      },
    };
  } catch (error) {
    await Promise.all([...opened.map(endQuietly), lock.release()]);
    throw error;
  }
}

async function once<T>(session: Promise<pg.Client>, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await session;
  try {
    return await work(client);
  } finally {
    await endQuietly(client);
  }
}

async function loadPlan(pipeline: Pipeline, source: ServerAddress, report: Report): Promise<SchemaPlan> {
  const dump = await dumpSchema({ server: source, pgDumpPath: pipeline.pgDumpPath });
  report({ type: "note", message: `Schema dumped with ${dump.program}.` });
  return await planSchema(dump.sql);
}

interface OpenJournal extends MigrationOptions {
  readonly id: string;
  readonly journal: pg.Client;
  readonly destinations: readonly pg.Client[];
  readonly shards: readonly ServerAddress[];
  readonly facts: SourceFacts;
  readonly monitor: pg.Client;
}

async function openJournal(options: OpenJournal): Promise<JournalEntry> {
  const { id, pipeline, journal, destinations, shards, facts, monitor, filledElsewhere, compareOnly } = options;
  const known = (await hasProgressTables(journal)) ? (await readJournal(journal)).find((entry) => entry.id === id) : undefined;
  if (known !== undefined) {
    const asked = pipeline.slot === undefined ? undefined : slotName(pipeline.slot);
    if (asked !== undefined && asked !== known.slots[0]) {
      throw new ReshardError("SLOT_DIFFERS", `This migration began with the slot ${known.slots[0]!}, not ${asked}.`, {
        remedy: "Leave out --replication-slot, or name the slot it began with.",
      });
    }
    // A killed run may have left a shard without the tables; making them is idempotent.
    await createBookkeeping(destinations, shards);
    return known;
  }
  const slots = [slotName(pipeline.slot ?? generatedSlot(id))];
  const fresh = { id, source: pipeline.from.name, destination: pipeline.to.name, publication: pipeline.publication, slots };
  if (compareOnly === true) return { ...fresh, finishedStages: [], phase: "none", startedAt: new Date(), updatedAt: new Date() };
  if (filledElsewhere !== true) {
    await Promise.all(destinations.map((client, shard) => checkDestinationEmpty(client, displayAddress(shards[shard]!), facts.publication)));
    const existing = await monitor.query("SELECT FROM pg_replication_slots WHERE slot_name = ANY ($1)", [slots]);
    if (existing.rowCount !== 0) {
      throw new ReshardError("SLOT_EXISTS", `The source has a slot ${slots[0]!} already, of a migration whose journal is gone or of somebody else.`, {
        remedy: `If nobody needs it, run on the source: SELECT pg_drop_replication_slot('${slots[0]!}'); or name another with --replication-slot.`,
      });
    }
    if (facts.freeSlots < 2) {
      throw new ReshardError("NO_FREE_SLOT", `The source has ${facts.freeSlots} replication slots or senders left; at least 2 are needed, one to stream and one for each table copied at a time.`, {
        remedy: "Raise max_replication_slots and max_wal_senders on the source (a restart), or drop slots that nobody needs.",
      });
    }
  }
  await createBookkeeping(destinations, shards);
  await beginJournal(journal, fresh);
  const begun = (await readJournal(journal)).find((entry) => entry.id === id);
  if (begun === undefined) throw defect("the journal's new entry is not there");
  return begun;
}

/** On all shards, or where one refuses on none. */
async function createBookkeeping(destinations: readonly pg.Client[], shards: readonly ServerAddress[]): Promise<void> {
  for (const [shard, client] of destinations.entries()) {
    await client.query("BEGIN");
    await createProgressTables(client).catch((cause: unknown) => {
      if (sqlState(cause) !== "42501") throw cause;
      const server = displayAddress(shards[shard]!);
      const { database, user } = shards[shard]!;
      throw new ReshardError("PRIVILEGE_MISSING", `${server}: user "${user}" may not make the schema "reshard": ${reasonOf(cause)}.`, {
        place: { server },
        remedy: `Run there: GRANT CREATE ON DATABASE ${client.escapeIdentifier(database)} TO ${client.escapeIdentifier(user)};`,
        cause,
      });
    });
  }
  for (const client of destinations) await client.query("COMMIT");
}

/** One source shard: the base name and its number. */
function slotName(base: string): string {
  return `${base}_0`;
}

/** Slot names allow lower-case letters, digits and underscores only. */
function generatedSlot(id: string): string {
  return `reshard_${createHash("sha256").update(id).digest("hex").slice(0, 12)}`;
}

function unknownTable(table: TableName): ReshardError {
  return new ReshardError("TABLE_UNKNOWN", `${displayName(table)} was added to the publication after this run began.`, {
    remedy: "Create it on every shard and start again: the stream goes on at this change.",
    place: { table: displayName(table) },
  });
}

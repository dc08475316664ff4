import { createHash } from "node:crypto";
import type pg from "pg";
import type { Pipeline, ServerAddress, Shard } from "../config/types.js";
import { defect, ReshardError } from "../errors.js";
import type { PublishedTable } from "../postgres/catalog.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { tableId, type TableName } from "../postgres/identifiers.js";
import { reasonOf, sqlState } from "../postgres/server-errors.js";
import { beginJournal, type JournalEntry, readJournal } from "../progress/journal.js";
import { noteKnownColumns } from "../progress/known-columns.js";
import { createProgressTables } from "../progress/progress-tables.js";
import type { SchemaPlan } from "../schema/schema-plan.js";
import type { TableRoute } from "../sharding/table-route.js";
import { bookkeepingRefused } from "./bookkeeping-privilege.js";
import { checkStandby, copyAddresses, type CopyServer, systemIdentifier } from "./copy-server.js";
import { checkDistinctDatabases } from "./distinct-databases.js";
import type { Report } from "./events.js";
import { MigrationLock } from "./migration-lock.js";
import { checkDestinationEmpty, checkSource, type SourceFacts } from "./preflight.js";
import { type ChainOf, PipelineOperators } from "./pipeline-operators.js";
import { reading } from "./reading.js";
import { schemaParameters } from "./schema-parameters.js";
import { Sessions } from "./sessions.js";
import { checkSlotRoom } from "./slot-state.js";
import { sourceSchemaPlan } from "./source-schema-plan.js";
import { type SourceShard, sourceShards, unknownTable } from "./source-shard.js";

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
  /** The source's shards; from 0, at their number. */
  readonly sources: readonly SourceShard[];
  /** The destination's. */
  readonly shards: readonly ServerAddress[];
  /** What is published, as it is on the first source shard. */
  readonly tables: readonly PublishedTable[];
  /** As it was when this run began. */
  readonly entry: JournalEntry;
  /** The source's schema, dumped when it is first asked for. */
  schemaPlan(): Promise<SchemaPlan>;
  /** A published table as the shards have it: the pipeline's own operators may rename it and add columns. */
  after(table: TableName): PublishedTable;
  /** Where a published table's rows go, by its columns on the shards. */
  route(table: TableName): TableRoute;
  /** The pipeline's own operators for a table. Undefined: none concerns it. */
  readonly chainOf: ChainOf;
  /** See `PipelineOperators.paced`. */
  readonly paced: PipelineOperators["paced"];
  /** Tells what operators have counted. */
  tellFigures(): void;
  close(): Promise<void>;
}

export interface MigrationOptions {
  readonly pipeline: Pipeline;
  readonly report: Report;
  readonly signal: AbortSignal;
  /** The destination's rows may be there already (a slot that somebody else copied for). */
  readonly filledElsewhere?: boolean;
  /** Makes the operators of a table, in place of those that the pipeline names. */
  readonly chainOf?: ChainOf;
  /** Only compare: where no journal was begun none is, and nothing is made anywhere. */
  readonly compareOnly?: boolean;
}

/** What these stages need not find on the servers where their migration has not begun. */
export function beginningOf({ stages, slot }: Pipeline): Pick<MigrationOptions, "filledElsewhere" | "compareOnly"> {
  return {
    filledElsewhere: stages.every(({ type }) => type !== "copy") && slot !== undefined,
    compareOnly: stages.every(({ type }) => type === "verify"),
  };
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
  const id = migrationId(pipeline);
  const operators = await PipelineOperators.load(pipeline, report);
  const sessions = new Sessions(id, schemaParameters(pipeline.general));
  const addresses = pipeline.from.shards.map((shard) => shard.primary);
  const shards = pipeline.to.shards.map((shard) => shard.primary);
  const opened: pg.Client[] = [];
  const lock = new MigrationLock(shards[0]!, sessions, id);
  try {
    const logins = await Promise.allSettled([...addresses.map((address) => sessions.source(address, "monitor")), ...shards.map((shard) => sessions.destination(shard, "journal"))]);
    for (const login of logins) if (login.status === "fulfilled") opened.push(login.value);
    for (const login of logins) if (login.status === "rejected") throw login.reason;
    const monitors = opened.slice(0, addresses.length);
    const destinations = opened.slice(addresses.length);
    const journal = destinations[0]!;
    await lock.ensure();
    await checkDistinctDatabases(addresses.map((address, number) => ({ address, client: monitors[number]! })), shards.map((address, shard) => ({ address, client: destinations[shard]! })));
    const chainOf = options.chainOf ?? operators.chainOf;
    const facts: SourceFacts[] = [];
    for (const [number, address] of addresses.entries()) facts.push(await checkSource(monitors[number]!, pipeline, address, number === 0 ? { chainOf, checkTables: operators.checkTables } : { chainOf }));
    const copyServers: CopyServer[][] = [];
    for (const [number, shard] of pipeline.from.shards.entries()) copyServers.push(await copyServersOf(shard, monitors[number]!, facts[number]!, sessions));
    const { publication, after, routes, notes } = facts[0]!;
    for (const note of notes) report({ type: "note", message: note });
    const monitorOf = (number: number): SourceShard["monitor"] => async (work) => await sessions.kept.use(addresses[number]!, "monitor", work);
    const sources = (slots: readonly string[]): SourceShard[] =>
      sourceShards(pipeline, addresses.map((address, number) => ({ number, address, facts: facts[number]!, copyServers: copyServers[number]!, slot: slots[number]!, migration: id, monitor: monitorOf(number) })));
    const slots = slotNames(pipeline);
    // Before anything is made: it also compares the source's shards with one another.
    sources(slots);
    const entry = await openJournal({ ...options, id, slots, journal, destinations, shards, facts, monitors });
    // Sessions that a killed run left behind may still be writing.
    await Promise.all(destinations.map((client) => sessions.fence(client, "apply", "copy", "schema")));
    await Promise.all(monitors.map((client) => sessions.fence(client, "stream", "copy", "verify")));
    for (const [number, client] of monitors.entries()) sessions.kept.keep(client, addresses[number]!, "monitor");
    for (const [shard, client] of destinations.entries()) sessions.kept.keep(client, shards[shard]!, "journal");
    let plan: Promise<SchemaPlan> | undefined;
    return {
      id,
      pipeline,
      report,
      signal,
      sessions,
      lock,
      journal: async (work) => await sessions.kept.use(shards[0]!, "journal", work),
      sources: sources(entry.slots),
      shards,
      tables: publication.tables,
      entry,
      schemaPlan: () => (plan ??= sourceSchemaPlan(pipeline, sessions, publication.tables, report)),
      after: (table) => known(after, table),
      route: (table) => known(routes, table),
      chainOf,
      paced: () => operators.paced(),
      tellFigures() {
        operators.tell();
      },
      async close() {
        await Promise.all([sessions.kept.close(), lock.release()]);
      },
    };
  } catch (error) {
    await Promise.all([...opened.map(endQuietly), sessions.kept.close(), lock.release()]);
    throw error;
  }
}

function known<T>(of: ReadonlyMap<string, T>, table: TableName): T {
  const found = of.get(tableId(table));
  if (found === undefined) throw unknownTable(table);
  return found;
}

/** The permanent slot takes one of the primary's. */
async function copyServersOf(shard: Shard, primary: pg.Client, { freeSlots }: SourceFacts, sessions: Sessions): Promise<CopyServer[]> {
  const addresses = copyAddresses(shard);
  if (addresses[0] === shard.primary) return [{ address: shard.primary, isStandby: false, freeSlots: freeSlots - 1 }];
  const system = await systemIdentifier(primary);
  const servers: CopyServer[] = [];
  for (const address of addresses) servers.push(await reading(sessions.source(address, "monitor"), async (client) => {
    const server = await checkStandby(client, address, system);
    // Of a killed run.
    await sessions.fence(client, "copy");
    return server;
  }));
  return servers;
}

interface OpenJournal extends MigrationOptions {
  readonly id: string;
  readonly journal: pg.Client;
  readonly destinations: readonly pg.Client[];
  readonly shards: readonly ServerAddress[];
  /** Of each source shard: the slot that a new migration gets, what it is like, and a session. */
  readonly slots: readonly string[];
  readonly facts: readonly SourceFacts[];
  readonly monitors: readonly pg.Client[];
}

async function openJournal(options: OpenJournal): Promise<JournalEntry> {
  const { id, pipeline, slots, journal, destinations, shards, facts, monitors, filledElsewhere, compareOnly } = options;
  const known = (await readJournal(journal)).find((entry) => entry.id === id);
  if (known !== undefined) {
    checkBegunAlike(known, pipeline);
    // A killed run may have left a shard without the tables; making them is idempotent.
    await createBookkeeping(destinations, shards);
    await noteKnownColumns(journal, id, facts[0]!.publication.tables);
    return known;
  }
  const fresh = { id, source: pipeline.from.name, destination: pipeline.to.name, publication: pipeline.publication, slots };
  if (compareOnly === true) return { ...fresh, finishedStages: [], phase: "none", startedAt: new Date(), updatedAt: new Date() };
  if (filledElsewhere !== true) {
    await Promise.all(destinations.map((client, shard) => checkDestinationEmpty(client, displayAddress(shards[shard]!), facts[0]!.after.values())));
    for (const [number, monitor] of monitors.entries()) await checkSlotRoom(monitor, displayAddress(pipeline.from.shards[number]!.primary), slots[number]!, facts[number]!.freeSlots);
  }
  await createBookkeeping(destinations, shards);
  await noteKnownColumns(journal, id, facts[0]!.publication.tables);
  await beginJournal(journal, fresh);
  const begun = (await readJournal(journal)).find((entry) => entry.id === id);
  if (begun === undefined) throw defect("the journal's new entry is not there");
  return begun;
}

/** Fails where a migration goes on with other source shards or slots than it began with. */
export function checkBegunAlike({ slots }: JournalEntry, pipeline: Pipeline): void {
  const now = slotNames(pipeline);
  if (slots.length !== now.length) {
    throw new ReshardError("SOURCE_SHARDS_CHANGED", `This migration began with ${slots.length} source shards; ${pipeline.from.name} has ${now.length} now.`, {
      remedy: "Give [[databases]] the shards it began with.",
    });
  }
  if (pipeline.slot !== undefined && now.join() !== slots.join()) {
    throw new ReshardError("SLOT_DIFFERS", `This migration began with the slot ${slots.join(", ")}, not ${now.join(", ")}.`, {
      remedy: "Leave out --replication-slot, or name the slot it began with.",
    });
  }
}

/** On all shards, or where one refuses on none. */
async function createBookkeeping(destinations: readonly pg.Client[], shards: readonly ServerAddress[]): Promise<void> {
  for (const [shard, client] of destinations.entries()) {
    await client.query("BEGIN");
    await createProgressTables(client).catch((cause: unknown) => {
      if (sqlState(cause) !== "42501") throw cause;
      throw bookkeepingRefused(client, shards[shard]!, `: ${reasonOf(cause)}`, cause);
    });
  }
  for (const client of destinations) await client.query("COMMIT");
}

/** The base name and the source shard's number. */
export function slotName(base: string, sourceShard: number): string {
  return `${base}_${sourceShard}`;
}

/** The permanent slots of a migration, by source shard. */
export function slotNames(pipeline: Pipeline): string[] {
  return pipeline.from.shards.map((_, number) => slotName(pipeline.slot ?? generatedSlot(migrationId(pipeline)), number));
}

/** The base name of the slots of a migration that none was given for. Slot names allow lower-case letters, digits and underscores only. */
export function generatedSlot(id: string): string {
  return `reshard_${createHash("sha256").update(id).digest("hex").slice(0, 12)}`;
}

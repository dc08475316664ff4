import type pg from "pg";
import { closing } from "../closing.js";
import type { Pipeline, ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { displayAddress, endQuietly } from "../postgres/connection.js";
import { quoteIdentifier } from "../postgres/identifiers.js";
import { type Lsn, parseLsn } from "../postgres/lsn.js";
import { dropCutover } from "../progress/cutover-journal.js";
import { beginJournal, journalPhase, journalStageFinished, readJournal } from "../progress/journal.js";
import { createProgressTables } from "../progress/progress-tables.js";
import { writeStreamProgress } from "../progress/stream-progress.js";
import { generatedSlot, type Migration, migrationId, slotName } from "./migration.js";
import { tellingOpenTransactions } from "./open-transactions.js";
import { reading } from "./reading.js";
import { SLOTS_MADE } from "./replicate.js";
import { Sessions } from "./sessions.js";
import { dropSlot } from "./slot.js";
import { readSlot } from "./slot-state.js";
import { stopWaiting } from "./stop-waiting.js";

/**
 * The migration in the other direction, while this one still goes on: what a cutover prepares for the time after it.
 *
 * Its slots are made before anything is paused, for it may take long until a server has made one; so they also hold what
 * our own stream wrote meanwhile, which must not come back. Therefore `starts`, a position on each shard behind the last
 * of it and before the first write of an application, is what the way back's progress begins with, and everything
 * before it is skipped.
 */
export class WayBack {
  readonly pipeline: Pipeline;
  readonly id: string;
  readonly #migration: Migration;
  readonly #sessions: Sessions;
  readonly #slots: readonly { readonly address: ServerAddress; readonly slot: string }[];

  constructor(migration: Migration, pipeline: Pipeline) {
    this.#migration = migration;
    this.pipeline = pipeline;
    this.id = migrationId(pipeline);
    this.#sessions = new Sessions(this.id);
    this.#slots = pipeline.from.shards.map(({ primary }, number) => ({ address: primary, slot: slotName(pipeline.slot ?? generatedSlot(this.id), number) }));
  }

  /** Makes the slots; those that a cutover before left are made anew, for they hold too much. */
  async makeSlots(signal: AbortSignal): Promise<void> {
    const { report } = this.#migration;
    const watching = new Sessions(this.id);
    await closing(watching.kept, () => tellingOpenTransactions({ sessions: watching, report, sources: this.#slots }, () =>
      Promise.all(this.#slots.map(async ({ address, slot }) => {
        await this.#dropSlot(address, slot);
        const client = await this.#sessions.source(address, "stream", { replication: true });
        try {
          await stopWaiting(signal, client, () => client.query(`CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)} LOGICAL pgoutput (SNAPSHOT 'nothing')`));
        } finally {
          await endQuietly(client);
        }
      })),
    ));
  }

  /** All of the slots are there. */
  async hasSlots(): Promise<boolean> {
    const found = await Promise.all(this.#slots.map(({ address, slot }) => reading(this.#sessions.source(address, "monitor"), (client) => readSlot(client, slot))));
    return !found.includes(undefined);
  }

  /** Sessions for `starts`, by number of the shard. */
  async openShards(): Promise<pg.Client[]> {
    return await Promise.all(this.#slots.map(({ address }) => this.#sessions.source(address, "monitor")));
  }

  async dropSlots(): Promise<void> {
    for (const { address, slot } of this.#slots) await this.#dropSlot(address, slot);
  }

  /** Begins the way back's journal and progress on the database that was left. Can be done again, as long as nothing has come back. */
  async begin(starts: readonly Lsn[]): Promise<void> {
    const { pipeline, id } = this;
    for (const [number, { primary }] of pipeline.to.shards.entries()) {
      const client = await this.#sessions.destination(primary, "journal");
      try {
        await client.query("BEGIN");
        await createProgressTables(client);
        for (const [sourceShard, start] of starts.entries()) await writeStreamProgress(client, { migration: id, sourceShard }, start);
        if (number === 0) {
          const slots = this.#slots.map(({ slot }) => slot);
          const known = (await readJournal(client)).find((entry) => entry.id === id);
          if (known === undefined) await beginJournal(client, { id, source: pipeline.from.name, destination: pipeline.to.name, publication: pipeline.publication, slots });
          else if (known.slots.join() !== slots.join()) await client.query("UPDATE reshard.migration SET slots = $2 WHERE id = $1", [id, JSON.stringify(slots)]);
          await journalStageFinished(client, id, SLOTS_MADE);
          await journalPhase(client, id, "replicate");
          await dropCutover(client, id);
        }
        await client.query("COMMIT");
      } catch (error) {
        const server = displayAddress(primary);
        throw new ReshardError("WAY_BACK_NOT_BEGUN", `${server}: the journal of the way back could not be begun: ${error instanceof Error ? error.message : String(error)}.`, {
          place: { server },
          remedy: "The destination is in charge, and its slots keep what is written there. Put right what the server says and run the same command again: it goes on from here.",
          cause: error,
        });
      } finally {
        await endQuietly(client);
      }
    }
  }

  async #dropSlot(address: ServerAddress, slot: string): Promise<void> {
    await reading(this.#sessions.source(address, "monitor"), async (client) => {
      await this.#sessions.fence(client, "stream");
      await dropSlot(client, slot);
    });
  }
}

/** Drops the slots of a migration that has come to its end, waiting for their readers to leave. */
export async function dropForwardSlots({ sources, sessions }: Migration): Promise<void> {
  for (const source of sources) {
    await source.monitor(async (client) => {
      await sessions.fence(client, "stream");
      await dropSlot(client, source.slot);
    });
  }
}

/** Behind everything that is committed on a shard by now. */
export async function positionOf(client: pg.Client): Promise<Lsn> {
  const { rows } = await client.query<{ position: string }>("SELECT pg_current_wal_insert_lsn()::text AS position");
  return parseLsn(rows[0]!.position);
}

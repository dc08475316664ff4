import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { endQuietly } from "../postgres/connection.js";
import type { Sessions } from "./sessions.js";

/** What the advisory lock's key is hashed from. */
export function lockName(migration: string): string {
  return `pg-reshard:${migration}`;
}

/**
 * One run a migration: an advisory lock on the first destination shard, held by a session of its own. The server lets
 * go of it when that session ends, however the process ended.
 */
export class MigrationLock {
  readonly #server: ServerAddress;
  readonly #sessions: Sessions;
  readonly #migration: string;
  #client: pg.Client | undefined;
  #lost = true;
  #taken = 0;
  #ensuring: Promise<void> | undefined;

  constructor(server: ServerAddress, sessions: Sessions, migration: string) {
    this.#server = server;
    this.#sessions = sessions;
    this.#migration = migration;
  }

  /** How often it was: in between another run may have had it. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes the lock, again where its session was lost. Fails with ALREADY_RUNNING where another run has it. */
  async ensure(): Promise<void> {
    if (!this.#lost) return;
    // Several tables may miss it at once; each taking it for itself would find it taken.
    this.#ensuring ??= this.#take().finally(() => { this.#ensuring = undefined; });
    await this.#ensuring;
  }

  async #take(): Promise<void> {
    await endQuietly(this.#client);
    const client = await this.#sessions.destination(this.#server, "lock");
    let ended = false;
    client.once("end", () => {
      ended = true;
      this.#lost = true;
    });
    this.#client = client;
    const { rows } = await client.query<{ locked: boolean }>("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked", [lockName(this.#migration)]);
    if (!rows[0]!.locked) {
      await endQuietly(client);
      throw new ReshardError("ALREADY_RUNNING", `Another run of the migration ${this.#migration} is going on.`, {
        remedy: "Wait for it, or stop it; `pg-reshard status` shows what it is doing.",
      });
    }
    this.#taken++;
    this.#lost = ended;
  }

  async release(): Promise<void> {
    await endQuietly(this.#client);
    this.#lost = true;
  }
}

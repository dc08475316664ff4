import type pg from "pg";
import type { ServerAddress } from "../config/types.js";
import { ReshardError } from "../errors.js";
import { endQuietly } from "../postgres/connection.js";
import type { Sessions } from "./sessions.js";

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

  constructor(server: ServerAddress, sessions: Sessions, migration: string) {
    this.#server = server;
    this.#sessions = sessions;
    this.#migration = migration;
  }

  /** Takes the lock, again where its session was lost. Fails with ALREADY_RUNNING where another run has it. */
  async ensure(): Promise<void> {
    if (!this.#lost) return;
    await endQuietly(this.#client);
    const client = await this.#sessions.destination(this.#server, "lock");
    client.once("end", () => { this.#lost = true; });
    const { rows } = await client.query<{ locked: boolean }>("SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS locked", [`pg-reshard:${this.#migration}`]);
    if (!rows[0]!.locked) {
      await endQuietly(client);
      throw new ReshardError("ALREADY_RUNNING", `Another run of the migration ${this.#migration} is going on.`, {
        remedy: "Wait for it, or stop it; `pg-reshard status` shows what it is doing.",
      });
    }
    this.#client = client;
    this.#lost = false;
  }

  async release(): Promise<void> {
    await endQuietly(this.#client);
    this.#lost = true;
  }
}
